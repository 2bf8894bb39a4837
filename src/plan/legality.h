#pragma once

#include "plan/family.h"

namespace gumtile {

/// Throws Error(usage) unless the extents make sense for the Program.
void check_problem(const Program& program, const ProgramAnalysis& analysis, const Problem& problem);

/// Throws Error(usage) naming the limit that the schedule breaks (all but shared memory, which the plan sums
/// up).
void check_schedule(const PlanInput& input, const Schedule& schedule);

}  // namespace gumtile
