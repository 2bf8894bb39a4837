#pragma once

#include <span>
#include <string>
#include <string_view>

#include "gumtile/plan.h"
#include "ir/analysis.h"
#include "plan/schedule_field.h"

namespace gumtile {

/// What a schedule is made for.
struct PlanInput {
  const Program& program;
  const ProgramAnalysis& analysis;
  const Problem& problem;
  const Target& target;
};

/// What there is to know of a schedule family, a kind of main loop, beside the loop itself (`codegen`).
struct Family {
  std::string_view name;
  Schedule defaults;
  std::span<const ScheduleField> fields;  ///< in the order of the text
  /// Why no schedule of the family can be; empty if some can.
  std::string (*why_not)(const PlanInput&);
  /// Why a schedule of the family that `why_not` and the fields' own values allow cannot be; empty if it can.
  /// The plan sums up shared memory.
  std::string (*check)(const PlanInput&, const Schedule&);
};

extern const Family kHostFamily, kSimtFamily, kMmaSyncFamily, kWgmmaFamily;

/// All of them, in the order of `Schedule::family`: on a GPU each is faster than those before it.
std::span<const Family* const> families();
const Family& family_of(const Schedule& schedule);

}  // namespace gumtile
