#pragma once

#include <vector>

#include "gumtile/engine.h"

namespace gumtile::engine {

/// Throws Error(usage) unless there is something to measure.
void check_repeats(int repeats, int warmup);

/// Throws an Error that names `status` unless it is ok.
void require_ok(Status status);

/// The percentiles of one or more times, interpolated between neighbours.
Engine::Timing summarize(std::vector<double> times_us);

}  // namespace gumtile::engine
