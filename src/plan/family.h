#pragma once

#include <span>
#include <string_view>

#include "gumtile/schedule.h"
#include "plan/schedule_field.h"

namespace gumtile {

/// What there is to know of a schedule family, a kind of main loop, beside the loop itself (`codegen`).
struct Family {
  std::string_view name;
  Schedule defaults;
  std::span<const ScheduleField> fields;  ///< in the order of the text
};

extern const Family kHostFamily, kSimtFamily, kMmaSyncFamily, kWgmmaFamily;

/// All of them, in the order of `Schedule::family`.
std::span<const Family* const> families();
const Family& family_of(const Schedule& schedule);

}  // namespace gumtile
