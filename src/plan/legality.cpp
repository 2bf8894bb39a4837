#include "plan/legality.h"

#include <fmt/format.h>

#include "gumtile/error.h"

namespace gumtile {

void check_problem(const Program& program, const ProgramAnalysis& analysis, const Problem& problem) {
  auto fail = [&](const std::string& message) {
    throw Error(ErrorCode::usage, fmt::format("problem for Program '{}': {}", program.name, message));
  };
  if (problem.columns <= 0 || problem.columns > 0x7fffff00)
    fail(fmt::format("{} columns; at least 1 and below 2^31 - 256", problem.columns));
  if (problem.first_column < 0 || problem.first_column + problem.columns > 0x7fffff00)
    fail(fmt::format("columns {} to {}; they must lie in 0 to 2^31 - 256", problem.first_column,
                     problem.first_column + problem.columns));
  if (analysis.contraction != kNone && (problem.contracted <= 0 || problem.contracted > 0x7fffff00))
    fail(fmt::format("a contracted extent of {}; at least 1 and below 2^31 - 256", problem.contracted));
  const int a = problem.weights_alignment;
  if (a < 2 || (a & (a - 1)) != 0) fail(fmt::format("a weights alignment of {}; a power of two from 2", a));
}

void check_schedule(const PlanInput& input, const Schedule& schedule) {
  const Family& family = family_of(schedule);
  std::string reason = family.why_not(input);
  if (reason.empty()) reason = why_out_of_range(family.fields, schedule);
  if (reason.empty()) reason = family.check(input, schedule);
  if (!reason.empty())
    throw Error(ErrorCode::usage, fmt::format("schedule '{}' is illegal: {}", schedule.str(), reason));
}

}  // namespace gumtile
