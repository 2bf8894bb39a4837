#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "plan/family.h"
#include "tools/fields/text.h"

namespace gumtile::fields {
namespace {

/// A field's name for the docs: "`v`", or for a member of a pair "M of `wg`".
std::string reference(const Family& family, Member member) {
  const auto field =
      std::find_if(family.fields.begin(), family.fields.end(), [member](const ScheduleField& candidate) {
        return candidate.first == member || candidate.second == member;
      });
  const std::string name = fmt::format("`{}`", field->name());
  return field->is_pair() ? fmt::format("{} of {}", field->first == member ? "M" : "N", name) : name;
}

std::string pairs_text(const Family& family, const Values& values) {
  if (values.unit.empty()) return listed(pairs_up_to(values.most), "or");
  return values.times == nullptr
             ? fmt::format("MxN, at most {} together", values.most)
             : fmt::format("MxN, times {} at most {}", reference(family, values.times), values.most);
}

std::string values_text(const Family& family, const ScheduleField& field) {
  const Values& values = field.values;
  if (field.is_pair()) return pairs_text(family, values);
  const std::string per = values.per == nullptr ? "" : fmt::format(" x {}", reference(family, values.per));
  const std::string most = values.most == 0 ? "" : fmt::format(", at most {}", values.most);
  if (values.multiple_of != 0) return fmt::format("multiples of {}{}{}", values.multiple_of, per, most);
  const std::span<const int> any_of = up_to_zero(values.any_of);
  if (any_of.empty()) return fmt::format("{} to {}", values.least, values.most);
  std::vector<std::string> numbers;
  for (const int number : any_of) numbers.push_back(std::to_string(number));
  const std::string divides =
      values.divides == nullptr ? "" : fmt::format("; must divide {}", reference(family, values.divides));
  const std::string any = listed(numbers, "or");
  return (per.empty() ? any : fmt::format("({}){}", any, per)) + most + divides;
}

}  // namespace

std::string docs_schedule(const Family& family) {
  std::string text = "| field | default | values | |\n|---|---|---|---|\n";
  for (const ScheduleField& field : family.fields)
    text += fmt::format("| `{}` | {} | {} | {} |\n", field.name(), field.value(family.defaults),
                        values_text(family, field), field.text);
  return text;
}

}  // namespace gumtile::fields
