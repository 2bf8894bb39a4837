#include "plan/schedule_space.h"

#include "gumtile/error.h"

namespace gumtile {

bool ScheduleSpace::is_legal(const Schedule& schedule) const {
  try {
    make_plan(input_, schedule);
    return true;
  } catch (const Error&) {
    return false;
  }
}

std::vector<Schedule> schedule_space(const Program& program, const Problem& problem, const Target& target) {
  ScheduleSpace space({program, problem, target});
  for (const Family* family : fastest_first())
    if (family->why_not(space.input()).empty()) family->search(space);
  return space.schedules();
}

}  // namespace gumtile
