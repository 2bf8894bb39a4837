#pragma once

#include <functional>
#include <string>
#include <vector>

#include "gumtile/pack.h"

namespace gumtile::tools {

/// How the kernels of a pack are compiled.
struct CompileOptions {
  std::string ptxas;  ///< empty: no cubins
  /// Whether PTX is enough if ptxas fails, as an older one does for a newer architecture.
  bool ptxas_may_fail = true;
  int threads = 0;                                    ///< 0: as many as there are processors
  std::function<void(int done, int total)> progress;  ///< on the calling thread
};

struct CompiledKernels {
  std::vector<std::vector<KernelArtifact>> artifacts;  ///< by plan: PTX and cubin, or a shared object
  std::vector<std::string> without_cubin;              ///< targets for which ptxas failed, and its messages
};

/// Compiles in parallel. An interrupt ends it with Error(cancelled), SIGTERM and SIGHUP end the process; in
/// either case no child process is left behind. Throws the first Error of a kernel.
CompiledKernels compile_kernels(const std::vector<PackPlan>& plans, const CompileOptions& options);

}  // namespace gumtile::tools
