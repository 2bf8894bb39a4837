#include "gumtile/error.h"
#include "plan/family.h"

namespace gumtile {

Schedule default_schedule(const Program& program, const Problem& problem, const Target& target,
                          const Card& card) {
  const PlanInput input{program, problem, target};
  for (const Family* family : fastest_first())
    if (family->why_not(input).empty()) return family->suggest(input, card);
  throw Error(ErrorCode::internal, "no schedule family can run on " + target.str());
}

}  // namespace gumtile
