#pragma once

#include <vector>

#include "gumtile/lm_head.h"
#include "gumtile/log.h"
#include "gumtile/plan.h"

namespace gumtile::head {

/// Logs at level info what chose the kernels of one feature set, in the order of their buckets; equal
/// neighbours share a line. `program` and `problem` are what the kernels are for. Does nothing if `log` is
/// empty.
void log_choices(const Log& log, const std::vector<KernelChoice>& choices, const Program& program,
                 const Problem& problem, const DeviceDescription& device);

}  // namespace gumtile::head
