#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "gumtile/engine.h"
#include "gumtile/module_cache.h"
#include "runtime/engine/backend.h"

namespace gumtile::engine {

/// From a plan to code on the device: what is loaded already, else the cache, else the source. Thread safe.
///
/// For a GPU the cache keeps PTX; the driver keeps what it assembles in a cache of its own. It returns a
/// cubin only through its linker (cuLinkComplete), which assembles for separate compilation: setmaxnreg is
/// ignored, wgmma is serialised and registers spill. Measured on an H200, 151936 x 4096, tokens: 1.26 x
/// cuBLAS's GEMM at 256 rows instead of 1.03 to 1.07, 1.19 at 512 instead of 1.00.
class KernelLoader {
 public:
  /// `source`, `cache` and `log` may be empty. `backend` must outlive the loader.
  KernelLoader(Backend& backend, std::shared_ptr<KernelSource> source, std::shared_ptr<ModuleCache> cache,
               Log log);

  /// Throws Error.
  std::shared_ptr<const LoadedKernel> load(const KernelPlan& plan);

  EngineStats stats() const;

 private:
  /// One key's kernel. While a thread loads it, the others wait.
  struct Slot {
    std::weak_ptr<const LoadedKernel> kernel;
    bool loading = false;
  };

  std::shared_ptr<const LoadedKernel> make(const KernelPlan& plan, const std::string& key);
  std::shared_ptr<const LoadedKernel> from_cache(const std::string& key);
  std::shared_ptr<const LoadedKernel> load_artifact(KernelArtifact artifact);

  Backend& backend_;
  std::shared_ptr<KernelSource> source_;
  std::shared_ptr<ModuleCache> cache_;
  Log log_;

  mutable std::mutex mutex_;
  std::condition_variable loaded_;
  std::map<std::string, Slot> slots_;
  EngineStats stats_;
};

}  // namespace gumtile::engine
