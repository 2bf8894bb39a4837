#pragma once

#include "codegen/host/machine.h"
#include "gumtile/plan.h"

namespace gumtile::codegen {

/// Fills `module` with the plan's host entry points (see LaunchSpec).
void emit_host_kernel(llvm::Module& module, const KernelPlan& plan, const HostMachine& machine);

}  // namespace gumtile::codegen
