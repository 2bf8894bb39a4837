#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gumtile/schedule.h"

namespace gumtile {

/// A member of a family's struct, in a schedule of that family.
using Member = int& (*)(Schedule&);

template <typename Struct>
int& member_in(Schedule& schedule, int Struct::*member) {
  return std::get<Struct>(schedule.family).*member;
}
/// `member<&SimtSchedule::block_k>` is a Member.
template <auto kMember>
int& member(Schedule& schedule) {
  return member_in(schedule, kMember);
}

/// One field of a family: a row of its table.
struct ScheduleField {
  std::string_view prefix;   ///< in the text, before the value: "b", "stages="
  Member first = nullptr;    ///< its value
  Member second = nullptr;   ///< the second number of a pair ("2x4"); null if it is a single number
  bool is_optional = false;  ///< left out of the text if it has its default

  bool is_pair() const { return second != nullptr; }
  /// The value as the text has it: "4", "2x4".
  std::string value(const Schedule& schedule) const;
  /// The same with the prefix.
  std::string str(const Schedule& schedule) const;
};

/// "a, b and c".
std::string listed(const std::vector<std::string>& items, std::string_view last_joint);

}  // namespace gumtile
