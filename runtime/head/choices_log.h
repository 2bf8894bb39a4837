#pragma once

#include <vector>

#include "gumtile/lm_head.h"
#include "gumtile/log.h"
#include "gumtile/plan.h"

namespace gumtile::head {

/// Says at level info who chose the kernels of one feature set, in the order of their buckets; equal
/// neighbours make one line. `program` and `problem` are what they were made for. Does nothing if `log` is
/// empty.
void log_choices(const Log& log, const std::vector<KernelChoice>& choices, const Program& program,
                 const Problem& problem, const DeviceDescription& device);

}  // namespace gumtile::head
