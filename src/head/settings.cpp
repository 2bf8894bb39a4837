#include "head/settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "gumtile/error.h"
#include "head/fields.h"
#include "support/format.h"

namespace gumtile::head {
namespace {

bool is_matrix_type(DType dtype) { return is_float(dtype); }

std::optional<float> parse_float(std::string_view text) {
  float value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// Sets the member called `name`; false if there is none, or `value` is not one of its values.
bool set(HeadSettings& settings, std::string_view name, std::string_view value) {
  for (const ScalarSetting& scalar : scalar_settings())
    if (scalar.name == name) {
      const std::optional<float> number = parse_float(value);
      if (!number || !is_allowed(*find_head_option(name), *number)) return false;
      scalar.set(settings, *number);
      return true;
    }
  for (const ArraySetting& array : array_settings())
    if (array.name == name) {
      const std::optional<DType> dtype = parse_dtype(value);
      if (!dtype || !is_matrix_type(*dtype)) return false;
      array.set(settings, nullptr, dtype);
      return true;
    }
  return false;
}

}  // namespace

bool is_allowed(const Field& option, float value) {
  // The reciprocals of subnormal numbers are infinite.
  return (value == 0 || std::isnormal(value)) && !(option.non_negative && value < 0);
}

void check_settings(const HeadSettings& settings) {
  for (const ScalarSetting& scalar : scalar_settings()) {
    const Field& option = *find_head_option(scalar.name);
    const float value = scalar.of(settings);
    if (!is_allowed(option, value))
      throw Error(ErrorCode::usage, fmt::format("{} is {}; expected a finite normal number{}", scalar.name,
                                                value, option.non_negative ? " of at least 0" : ""));
  }
  for (const ArraySetting& array : array_settings())
    if (const std::optional<DType> dtype = array.dtype(settings); dtype && !is_matrix_type(*dtype))
      throw Error(ErrorCode::usage, fmt::format("{}_dtype is {}; expected {}", array.name, name(*dtype),
                                                matrix_format_names("or")));
}

std::string settings_text(const HeadSettings& settings) {
  std::string text;
  const auto add = [&](std::string_view name, const std::string& value) {
    text += fmt::format("{}{}={}", text.empty() ? "" : ",", name, value);
  };
  for (const ScalarSetting& scalar : scalar_settings())
    if (scalar.of(settings) != 0) add(scalar.name, fmt::format("{}", scalar.of(settings)));
  for (const ArraySetting& array : array_settings())
    if (const std::optional<DType> dtype = array.dtype(settings)) add(array.name, std::string(name(*dtype)));
  return text;
}

std::optional<HeadSettings> parse_settings(std::string_view text) {
  HeadSettings settings;
  while (!text.empty()) {
    const size_t end = std::min(text.find(','), text.size());
    const std::string_view part = text.substr(0, end);
    const size_t equals = part.find('=');
    if (equals == std::string_view::npos || end + 1 == text.size() ||
        !set(settings, part.substr(0, equals), part.substr(equals + 1)))
      return std::nullopt;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return settings;
}

}  // namespace gumtile::head
