#include "gumtile/schedule.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <string>
#include <vector>

#include "gumtile/error.h"
#include "plan/family.h"

namespace gumtile {
namespace {

[[noreturn]] void fail(std::string_view schedule, const std::string& message) {
  throw Error(ErrorCode::usage, fmt::format("schedule '{}': {}", schedule, message));
}

int number(std::string_view schedule, std::string_view field, std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value <= 0)
    fail(schedule, fmt::format("field '{}' needs a positive number, found '{}'", field, text));
  return value;
}

void read(std::string_view text, const ScheduleField& field, std::string_view value, Schedule& schedule) {
  if (!field.is_pair()) {
    field.first(schedule) = number(text, field.prefix, value);
    return;
  }
  const size_t x = value.find('x');
  if (x == std::string_view::npos)
    fail(text, fmt::format("field '{0}' needs MxN, e.g. {0}2x1", field.prefix));
  field.first(schedule) = number(text, field.prefix, value.substr(0, x));
  field.second(schedule) = number(text, field.prefix, value.substr(x + 1));
}

bool is_given(const ScheduleField& field, std::string_view part) {
  const size_t at = field.prefix.size();
  return part.starts_with(field.prefix) && part.size() > at && part[at] >= '0' && part[at] <= '9';
}

}  // namespace

std::string_view Schedule::family_name() const { return family_of(*this).name; }

std::string Schedule::str() const {
  const Family& own = family_of(*this);
  std::string text = fmt::format("{}:", own.name);
  std::string_view comma;
  for (const ScheduleField& field : own.fields) {
    const std::string value = field.str(*this);
    if (field.is_optional && value == field.str(own.defaults)) continue;
    text += fmt::format("{}{}", comma, value);
    comma = ",";
  }
  return text;
}

Schedule Schedule::parse(std::string_view text) {
  const size_t colon = std::min(text.find(':'), text.size());
  const std::string_view name = text.substr(0, colon);
  const auto found = std::find_if(families().begin(), families().end(),
                                  [name](const Family* candidate) { return candidate->name == name; });
  if (found == families().end()) {
    std::vector<std::string> names;
    for (const Family* known : families()) names.emplace_back(known->name);
    fail(text, fmt::format("unknown family '{}'; known are {}", name, listed(names, "and")));
  }
  const std::span<const ScheduleField> fields = (*found)->fields;
  Schedule schedule = (*found)->defaults;
  std::vector<const ScheduleField*> seen;
  std::string_view rest = text.substr(std::min(colon + 1, text.size()));
  while (!rest.empty()) {
    const size_t end = std::min(rest.find(','), rest.size());
    const std::string_view part = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const auto field = std::find_if(fields.begin(), fields.end(),
                                    [part](const ScheduleField& known) { return is_given(known, part); });
    if (field == fields.end()) {
      std::string known;
      for (const ScheduleField& f : fields)
        known += fmt::format(" {}{}", f.prefix, f.is_pair() ? "MxN" : "N");
      fail(text, fmt::format("unknown field '{}'; this family has{}", part, known));
    }
    if (std::find(seen.begin(), seen.end(), &*field) != seen.end())
      fail(text, fmt::format("field '{}' is given twice", field->prefix));
    seen.push_back(&*field);
    read(text, *field, part.substr(field->prefix.size()), schedule);
  }
  return schedule;
}

}  // namespace gumtile
