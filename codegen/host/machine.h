#pragma once

#include <llvm/Target/TargetMachine.h>

#include <memory>
#include <string>

#include "codegen/common/llvm.h"
#include "gumtile/target.h"

namespace gumtile::codegen {

/// A CPU as code generation sees it.
struct HostMachine {
  std::unique_ptr<llvm::TargetMachine> machine;
  std::string cpu;
  std::string features;  ///< LLVM's feature string
  int lanes = 4;         ///< f32s in the widest vector worth using
  bool has_fma = false;
  bool has_rounding = false;  ///< SSE4.1's roundps, or the equivalent on another architecture
  bool has_f16 = false;       ///< F16C
  bool has_bf16_dot = false;  ///< AVX512-BF16
};

/// Throws Error(usage) for a CPU that LLVM does not know.
HostMachine make_host_machine(const Target& target);

/// Links one object into a shared object with no undefined symbols (lld, in process). Thread safe.
std::string link_shared_object(const std::string& object);

}  // namespace gumtile::codegen
