#include "tools/validators.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <string_view>
#include <utility>

#include "tools/suggestion.h"
#include "tools/units.h"

namespace gumtile::tools {
namespace {

bool contains(const std::vector<std::string>& values, std::string_view value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

/// Several of the values joined by '+', as sets of features are.
bool is_sum_of(const std::vector<std::string>& values, std::string_view text) {
  const size_t plus = text.find('+');
  if (plus == std::string_view::npos) return contains(values, text);
  return contains(values, text.substr(0, plus)) && is_sum_of(values, text.substr(plus + 1));
}

/// A set in CLI11's notation, which `enumerated_values` reads.
std::string set_text(const std::vector<std::string>& values) {
  return fmt::format("{{{}}}", fmt::join(values, ","));
}

}  // namespace

CLI::Validator one_of(std::vector<std::string> values) {
  const std::string set = set_text(values);
  return CLI::Validator(
      [values = std::move(values)](const std::string& found) {
        if (contains(values, found)) return std::string();
        return fmt::format("'{}' is not {}{}", found, joined(values), did_you_mean(found, values));
      },
      set);
}

CLI::Validator list_of(std::vector<std::string> values) {
  const std::string set = set_text(values);
  return CLI::Validator(
      [values = std::move(values)](const std::string& found) {
        std::string_view rest = found;
        while (true) {
          const size_t end = rest.find(',');
          const std::string_view part = rest.substr(0, end);
          if (!is_sum_of(values, part))
            return fmt::format("'{}'{} is not {}{}", part,
                               part == found ? "" : fmt::format(" in '{}'", found), joined(values),
                               did_you_mean(part, values));
          if (end == std::string_view::npos) return std::string();
          rest.remove_prefix(end + 1);
        }
      },
      set);
}

CLI::Validator suggested(const std::vector<std::string>& values) {
  return CLI::Validator([](const std::string&) { return std::string(); }, set_text(values));
}

CLI::Validator device_name() {
  const std::vector<std::string> values{"auto", "cpu", "cuda:0"};
  return CLI::Validator(
      [values](const std::string& found) {
        constexpr std::string_view kPrefix = "cuda:";
        const std::string_view text = found;
        if (text == "auto" || text == "cpu") return std::string();
        if (text.size() > kPrefix.size() && text.starts_with(kPrefix) &&
            text.find_first_not_of("0123456789", kPrefix.size()) == std::string_view::npos)
          return std::string();
        return fmt::format("'{}' is not auto, cpu or cuda:N with N from 0{}", found,
                           did_you_mean(found, values));
      },
      set_text(values));
}

CLI::Validator integer(int64_t least, int64_t most) {
  return CLI::Validator(
      [least, most](std::string& found) {
        int64_t value = 0;
        const auto [end, error] = std::from_chars(found.data(), found.data() + found.size(), value);
        if (error == std::errc{} && end == found.data() + found.size() && value >= least && value <= most) {
          found = std::to_string(value);
          return std::string();
        }
        return most == std::numeric_limits<int64_t>::max()
                   ? fmt::format("'{}' is not an integer of at least {}", found, least)
                   : fmt::format("'{}' is not an integer from {} to {}", found, least, most);
      },
      "");
}

CLI::Validator not_empty(std::string what) {
  return CLI::Validator(
      [what = std::move(what)](const std::string& found) {
        return found.empty() ? fmt::format("'' is not {}", what) : std::string();
      },
      "");
}

std::vector<std::string> enumerated_values(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const size_t begin = type.find(":{");
  const size_t end = type.rfind('}');
  if (begin == std::string::npos || end == std::string::npos) return {};
  return CLI::detail::split(type.substr(begin + 2, end - begin - 2), ',');
}

}  // namespace gumtile::tools
