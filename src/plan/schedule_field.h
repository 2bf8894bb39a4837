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

/// The values that a field may have, as far as it can be said without the Program and the target: some
/// (`any_of`), multiples (`multiple_of`), else a range. Both numbers of a pair are at least 1, and the range
/// is that of their product.
struct Values {
  std::array<int, 4> any_of{};  ///< ends with the first 0
  int multiple_of = 0;
  int least = 1;
  int most = 0;          ///< 0: any
  Member per = nullptr;  ///< `any_of` and `multiple_of` are for each of these
  /// What is counted: of multiples, "rows a warp"; of `any_of`, what `per` counts; of a pair's product, its
  /// name.
  std::string_view unit = {};
  Member times = nullptr;        ///< multiplies a pair's product
  Member divides = nullptr;      ///< of which the value has to be a divisor
  std::string_view reason = {};  ///< why no others
};

/// One field of a family: a row of its table.
struct ScheduleField {
  std::string_view prefix;   ///< in the text, before the value: "b", "stages="
  std::string_view text;     ///< what it is, for the docs
  Member first = nullptr;    ///< its value
  Member second = nullptr;   ///< the second number of a pair ("2x4"); null if it is a single number
  bool is_optional = false;  ///< left out of the text if it has its default
  Values values = {};
  /// What a search tries (of a pair, for both numbers), up to the first 0; nothing: what the search begins
  /// with.
  std::array<int, 4> searched = {};
  bool varies_fastest = false;  ///< in a search; else later fields vary faster than earlier ones

  /// As the docs and people call it: "b", "stages".
  std::string_view name() const { return prefix.substr(0, prefix.find('=')); }
  bool is_pair() const { return second != nullptr; }
  /// The value as the text has it: "4", "2x4".
  std::string value(const Schedule& schedule) const;
  /// The same with the prefix.
  std::string str(const Schedule& schedule) const;
};

/// Why a schedule's fields cannot have the values that they have; empty if they can. `fields` are those of
/// its family.
std::string why_out_of_range(std::span<const ScheduleField> fields, const Schedule& schedule);

/// All combinations of what a search tries of a family's fields; other fields are those of `start`.
std::vector<Schedule> variants(std::span<const ScheduleField> fields, const Schedule& start);

/// The numbers of an array that ends with its first 0.
std::span<const int> up_to_zero(const std::array<int, 4>& numbers);
/// The pairs of which the product is at most `most`: "1x1", "2x1", ...
std::vector<std::string> pairs_up_to(int most);
/// "a, b and c".
std::string listed(const std::vector<std::string>& items, std::string_view last_joint);

}  // namespace gumtile
