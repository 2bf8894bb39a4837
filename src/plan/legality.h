#pragma once

#include "gumtile/plan.h"
#include "ir/analysis.h"

namespace gumtile {

/// Throws Error(usage) unless the extents make sense for the Program.
void check_problem(const Program& program, const ProgramAnalysis& analysis, const Problem& problem);

/// Throws Error(usage) naming the limit that the schedule breaks (all but shared memory, which the plan sums
/// up).
void check_family(const Program& program, const ProgramAnalysis& analysis, const Problem& problem,
                  const Schedule& schedule, const Target& target);

/// Empty where mma.sync can take the contraction on the target, else the reason why not.
std::string why_no_mma_sync(const Program& program, const ProgramAnalysis& analysis, const Target& target);

/// The same for wgmma fed by TMA; also says where the weights' alignment forbids it.
std::string why_no_wgmma(const Program& program, const ProgramAnalysis& analysis, const Problem& problem,
                         const Target& target);

}  // namespace gumtile
