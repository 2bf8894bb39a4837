#pragma once

#include <string>
#include <vector>

#include "gumtile/engine.h"
#include "gumtile/plan.h"

namespace gumtile::tools {

/// The built-in choice for a device.
Schedule heuristic_of(const Program& program, const Problem& problem, const DeviceDescription& device);

/// The schedules that a tuner tries for a bucket: the built-in choice, then the others, in the order of a
/// simple cost model. At most `count` of the heuristic's family, and with `all_families` as many of each
/// other one. The model only decides what is left out, so it may be coarse.
std::vector<Schedule> tuning_candidates(const Program& program, const Problem& problem,
                                        const DeviceDescription& device, int count, bool all_families);

}  // namespace gumtile::tools
