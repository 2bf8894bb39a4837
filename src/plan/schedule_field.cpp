#include "plan/schedule_field.h"

#include <fmt/format.h>

namespace gumtile {

std::string ScheduleField::value(const Schedule& schedule) const {
  Schedule copy = schedule;
  return is_pair() ? fmt::format("{}x{}", first(copy), second(copy)) : fmt::format("{}", first(copy));
}

std::string ScheduleField::str(const Schedule& schedule) const {
  return std::string(prefix) + value(schedule);
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
