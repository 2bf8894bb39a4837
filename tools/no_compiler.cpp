// Replaces the compiler in a `gumtile` command that is built without it (-DGUMTILE_JIT=OFF).
#include "gumtile/compiler.h"
#include "gumtile/error.h"
#include "gumtile/jit.h"

namespace gumtile {
namespace {

[[noreturn]] void missing() {
  throw Error(
      ErrorCode::usage,
      "this gumtile was built without its compiler (-DGUMTILE_JIT=OFF); take kernels from a pack (--pack "
      "FILE), or use a gumtile with the compiler");
}

}  // namespace

KernelArtifact compile(const KernelPlan& /*plan*/, const Log& /*log*/) { missing(); }
std::string emit(const KernelPlan& /*plan*/, Stage /*stage*/) { missing(); }
std::string compiler_identity(const Target& /*target*/) { missing(); }
std::string llvm_version() { return {}; }
std::string host_cpu_name() { return "generic"; }
std::unique_ptr<KernelSource> make_jit(Log /*log*/) { missing(); }

}  // namespace gumtile
