#pragma once

#include "plan/family.h"

namespace gumtile {

/// Throws Error(usage) if the extents are not valid for the Program.
void check_problem(const Program& program, const ProgramAnalysis& analysis, const Problem& problem);

/// Throws Error(usage) that names the limit if the schedule exceeds one (except shared memory, which is
/// checked when the plan is laid out).
void check_schedule(const PlanInput& input, const Schedule& schedule);

}  // namespace gumtile
