#include "plan/schedule_field.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <utility>

namespace gumtile {
namespace {

int64_t read(Member member, const Schedule& schedule) {
  Schedule copy = schedule;
  return member(copy);
}

std::string text_of(std::span<const ScheduleField> fields, Member member, const Schedule& schedule) {
  const auto field = std::find_if(fields.begin(), fields.end(),
                                  [member](const ScheduleField& f) { return f.first == member; });
  return field->str(schedule);
}

std::string why_no_pair(std::span<const ScheduleField> fields, const ScheduleField& field,
                        const Schedule& schedule) {
  const Values& values = field.values;
  const int64_t m = read(field.first, schedule);
  const int64_t n = read(field.second, schedule);
  const std::string text = field.str(schedule);
  if (values.unit.empty()) {
    if (m >= 1 && n >= 1 && m <= values.most && n <= values.most / m) return "";
    return fmt::format("{} must be {}", text, listed(pairs_up_to(values.most), "or"));
  }
  if (m < 1 || n < 1) return fmt::format("{} must both be at least 1", text);
  const int64_t times = values.times == nullptr ? 1 : read(values.times, schedule);
  // Checked one factor at a time: a product of three could overflow.
  if (m * n <= values.most && m * n * times <= values.most) return "";
  if (values.times == nullptr)
    return fmt::format("{} are {} {}; at most {}", text, m * n, values.unit, values.most);
  return fmt::format("{},{} are {} {}; {} to {}", text, text_of(fields, values.times, schedule),
                     m * n * times, values.unit, values.least, values.most);
}

std::string why_no_number(std::span<const ScheduleField> fields, const ScheduleField& field,
                          const Schedule& schedule) {
  const Values& values = field.values;
  const std::string text = field.str(schedule);
  const int64_t value = read(field.first, schedule);
  const int64_t per = values.per == nullptr ? 1 : read(values.per, schedule);
  // "b4", but not "copy=4".
  const std::string_view prefix = field.prefix.ends_with('=') ? std::string_view() : field.prefix;
  if (values.multiple_of != 0) {
    const int64_t step = values.multiple_of * per;
    if (value > 0 && value % step == 0 && value <= values.most) return "";
    return fmt::format("{} must be a multiple of {}{}, at most {}", text, values.multiple_of,
                       values.per == nullptr ? "" : fmt::format(" {} ({})", values.unit, step), values.most);
  }
  if (const std::span<const int> any_of = up_to_zero(values.any_of); !any_of.empty()) {
    const bool is_one =
        std::any_of(any_of.begin(), any_of.end(), [&](int candidate) { return value == candidate * per; });
    const bool fits = values.divides == nullptr || (is_one && read(values.divides, schedule) % value == 0);
    std::vector<std::string> candidates;
    for (const int candidate : any_of)
      candidates.push_back(fmt::format("{}{}", values.per == nullptr ? prefix : "", candidate));
    if (!is_one || !fits)
      return fmt::format(
          "{} must be {}{}{}{}", text, listed(candidates, "or"),
          values.per == nullptr ? "" : fmt::format(" rows for each of {} {}", per, values.unit),
          values.divides == nullptr
              ? ""
              : fmt::format(" and divide {}", text_of(fields, values.divides, schedule)),
          values.reason.empty() ? "" : fmt::format(": {}", values.reason));
    if (values.most != 0 && value > values.most)
      return fmt::format("{} must be at most {}{}", text, prefix, values.most);
    return "";
  }
  if (value >= values.least && value <= values.most) return "";
  return fmt::format("{} must lie in {}..{}", text, values.least, values.most);
}

}  // namespace

std::string ScheduleField::value(const Schedule& schedule) const {
  return is_pair() ? fmt::format("{}x{}", read(first, schedule), read(second, schedule))
                   : fmt::format("{}", read(first, schedule));
}

std::string ScheduleField::str(const Schedule& schedule) const {
  return std::string(prefix) + value(schedule);
}

std::string why_out_of_range(std::span<const ScheduleField> fields, const Schedule& schedule) {
  // Pairs first, since other fields must be multiples of their numbers.
  for (const bool pairs : {true, false})
    for (const ScheduleField& field : fields) {
      if (field.is_pair() != pairs) continue;
      std::string reason =
          pairs ? why_no_pair(fields, field, schedule) : why_no_number(fields, field, schedule);
      if (!reason.empty()) return reason;
    }
  return "";
}

std::vector<Schedule> variants(std::span<const ScheduleField> fields, const Schedule& start) {
  std::vector<Schedule> all{start};
  const auto vary = [&all](Member member, std::span<const int> values) {
    if (member == nullptr || values.empty()) return;
    std::vector<Schedule> varied;
    for (Schedule& schedule : all)
      for (const int value : values) {
        member(schedule) = value;
        varied.push_back(schedule);
      }
    all = std::move(varied);
  };
  for (const bool fastest : {false, true})
    for (const ScheduleField& field : fields)
      if (field.varies_fastest == fastest) {
        vary(field.first, up_to_zero(field.searched));
        vary(field.second, up_to_zero(field.searched));
      }
  return all;
}

std::span<const int> up_to_zero(const std::array<int, 4>& numbers) {
  return std::span(numbers).first(
      static_cast<size_t>(std::find(numbers.begin(), numbers.end(), 0) - numbers.begin()));
}

std::vector<std::string> pairs_up_to(int most) {
  std::vector<std::string> pairs;
  for (int n = 1; n <= most; ++n)
    for (int m = 1; m <= most / n; ++m) pairs.push_back(fmt::format("{}x{}", m, n));
  return pairs;
}

std::string listed(const std::vector<std::string>& items, std::string_view last_joint) {
  std::string text;
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) text += i + 1 < items.size() ? ", " : fmt::format(" {} ", last_joint);
    text += items[i];
  }
  return text;
}

}  // namespace gumtile
