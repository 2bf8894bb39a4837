#pragma once

#include "codegen/host/machine.h"
#include "gumtile/plan.h"

namespace gumtile::codegen {

/// Fills `module` with the plan's host entry points (see LaunchSpec) and completes `launch`.
void emit_host_kernel(llvm::Module& module, const KernelPlan& plan, const HostMachine& machine,
                      LaunchSpec& launch);

}  // namespace gumtile::codegen
