#pragma once

#include <llvm/Target/TargetMachine.h>

#include <memory>
#include <string_view>

#include "codegen/common/llvm.h"
#include "gumtile/plan.h"

namespace gumtile::codegen {

/// LLVM's NVPTX machine for a target, at the lowest PTX version that the target and the instructions that
/// plans use on it need.
struct NvptxMachine {
  std::unique_ptr<llvm::TargetMachine> machine;
  int ptx_version = 0;
};
NvptxMachine make_nvptx_machine(const Target& target);

/// The passes that optimise the plan's kernels, as `optimize` takes them.
std::string_view nvptx_passes(const KernelPlan& plan);

/// Fills `module` with the plan's kernels (see LaunchSpec).
void emit_nvptx_kernel(llvm::Module& module, const KernelPlan& plan);

}  // namespace gumtile::codegen
