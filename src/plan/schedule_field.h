#pragma once

#include <array>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gumtile/schedule.h"

namespace gumtile {

/// Accesses a member of a family's struct in a schedule of that family.
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

/// The values that a field may have, as far as they do not depend on the Program and the target: a list
/// (`any_of`), multiples (`multiple_of`), or otherwise a range. Both numbers of a pair are at least 1, and
/// the range is for their product.
struct Values {
  std::array<int, 4> any_of{};  ///< ends with the first 0
  int multiple_of = 0;
  int least = 1;
  int most = 0;          ///< 0: any
  Member per = nullptr;  ///< `any_of` and `multiple_of` are per one of these
  /// The unit in messages: for multiples, such as "rows a warp"; for `any_of`, of what `per` counts; for a
  /// pair, of the product.
  std::string_view unit = {};
  Member times = nullptr;        ///< multiplies a pair's product
  Member divides = nullptr;      ///< the value must divide this
  std::string_view reason = {};  ///< why there are no other values
};

/// One field of a family: a row of its table.
struct ScheduleField {
  std::string_view prefix;   ///< before the value in the text: "b", "stages="
  std::string_view text;     ///< what it is, for the docs
  Member first = nullptr;    ///< its value
  Member second = nullptr;   ///< the second number of a pair ("2x4"); null if it is a single number
  bool is_optional = false;  ///< left out of the text if it has its default
  Values values = {};
  /// The values that a search tries (for a pair, for both numbers), up to the first 0. If empty, the search
  /// keeps the value that it starts with.
  std::array<int, 4> searched = {};
  bool varies_fastest = false;  ///< in a search; otherwise later fields vary faster than earlier ones

  /// The name in the docs: "b", "stages".
  std::string_view name() const { return prefix.substr(0, prefix.find('=')); }
  bool is_pair() const { return second != nullptr; }
  /// The value as in the text: "4", "2x4".
  std::string value(const Schedule& schedule) const;
  /// The same with the prefix.
  std::string str(const Schedule& schedule) const;
};

/// Why the values of a schedule's fields are out of range; empty if they are not. `fields` are those of its
/// family.
std::string why_out_of_range(std::span<const ScheduleField> fields, const Schedule& schedule);

/// All combinations of the values that a search tries for `fields`. Other values are those of `start`.
std::vector<Schedule> variants(std::span<const ScheduleField> fields, const Schedule& start);

/// The numbers of an array that ends with its first 0.
std::span<const int> up_to_zero(const std::array<int, 4>& numbers);
/// The pairs whose product is at most `most`: "1x1", "2x1", ...
std::vector<std::string> pairs_up_to(int most);
/// "a, b and c".
std::string listed(const std::vector<std::string>& items, std::string_view last_joint);

}  // namespace gumtile
