#include "tools/options.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>
#include <utility>

#include "head/fields.h"
#include "support/format.h"

namespace gumtile::tools {
namespace {

template <typename T>
std::optional<T> parse_number(std::string_view text) {
  T value{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

/// Numbers separated by x; empty if one is not a number.
std::vector<int64_t> parse_sizes(std::string_view text) {
  std::vector<int64_t> sizes;
  for (std::string_view part : split(text, 'x')) {
    const std::optional<int64_t> size = parse_number<int64_t>(part);
    if (!size) return {};
    sizes.push_back(*size);
  }
  return sizes;
}

/// Parses every value of a list with `parse`, which returns nothing for a value that is not `expected`.
/// `item` names what a value is for, counted from 0.
template <typename T, typename Parse>
std::vector<T> parse_list(std::string_view option, std::string_view text, std::string_view item,
                          std::string_view expected, Parse parse) {
  const std::vector<std::string_view> parts = split(text, ',');
  std::vector<T> values;
  for (size_t i = 0; i < parts.size(); ++i) {
    const std::optional<T> value = parse(parts[i]);
    if (!value)
      throw Error(ErrorCode::usage,
                  fmt::format("{}: '{}'{} is not {}", option, parts[i],
                              parts.size() == 1 ? "" : fmt::format(" for {} {}", item, i), expected));
    values.push_back(*value);
  }
  return values;
}

}  // namespace

CLI::Option* add_text(CLI::App& app, const std::string& name, std::string& value,
                      const std::string& placeholder, const std::string& description) {
  return app.add_option(name, value, description)->type_name(placeholder)->capture_default_str();
}

CLI::Option* add_choice(CLI::App& app, const std::string& name, std::string& value,
                        const std::string& placeholder, std::vector<std::string> values,
                        const std::string& description) {
  return add_text(app, name, value, placeholder, description)->check(one_of(std::move(values)));
}

CLI::Option* add_choices(CLI::App& app, const std::string& name, std::string& value,
                         const std::string& placeholder, std::vector<std::string> values,
                         const std::string& description) {
  return add_text(app, name, value, placeholder + ",...", description)->check(list_of(std::move(values)));
}

CLI::Option* add_format(CLI::App& app, std::string& format, std::vector<std::string> formats) {
  format = formats.front();
  return add_choice(app, "--format", format, "FORMAT", std::move(formats), "how the result is printed");
}

CLI::Option* add_device(CLI::App& app, std::string& device) {
  return add_text(app, "--device", device, "DEVICE", "auto, cpu or cuda:N")->check(device_name());
}

std::vector<std::string> matrix_dtype_names() {
  std::vector<std::string> names;
  for (const Format& format : matrix_formats()) names.emplace_back(format.name);
  return names;
}

CLI::Option* add_matrix_dtype(CLI::App& app, const std::string& name, std::string& dtype,
                              const std::string& description) {
  return add_choice(app, name, dtype, "TYPE", matrix_dtype_names(), description);
}

CLI::Option* add_noise(CLI::App& app, std::string& noise) {
  return add_choice(app, "--noise", noise, "SCHEME", {"grouped", "per_token"},
                    "how random numbers are made; schemes draw different tokens");
}

CLI::Option* add_pack(CLI::App& app, std::string& pack) {
  return add_text(app, "--pack", pack, "FILE",
                  "take kernels from this file of 'gumtile compile'; compile nothing");
}

std::string option_name(std::string_view field) {
  std::string name = fmt::format("--{}", field);
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

std::string in_one_line(std::string_view text) {
  std::string line(text);
  std::replace(line.begin(), line.end(), '\n', ' ');
  return line;
}

std::vector<float> parse_f32_list(std::string_view option, std::string_view text, bool non_negative) {
  const auto parse = [&](std::string_view item) -> std::optional<float> {
    const std::optional<double> value = parse_number<double>(item);
    if (!value || !std::isfinite(static_cast<float>(*value)) || (non_negative && *value < 0))
      return std::nullopt;
    return static_cast<float>(*value);
  };
  return parse_list<float>(option, text, "row",
                           non_negative ? "a finite number of at least 0" : "a finite number", parse);
}

std::vector<uint64_t> parse_u64_list(std::string_view option, std::string_view text) {
  return parse_list<uint64_t>(option, text, "row", "an integer from 0 to 2^64 - 1", parse_number<uint64_t>);
}

std::vector<int32_t> parse_i32_list(std::string_view option, std::string_view text, std::string_view item) {
  return parse_list<int32_t>(option, text, item, "an integer of 32 bits", parse_number<int32_t>);
}

DType parse_matrix_dtype(std::string_view option, std::string_view text) {
  const std::optional<DType> dtype = parse_dtype(text);
  if (!dtype || !is_float(*dtype))
    throw Error(ErrorCode::usage,
                fmt::format("{}: unknown type '{}'; known are {}", option, text, matrix_format_names("and")));
  return *dtype;
}

std::vector<DType> parse_token_dtypes(std::string_view option, std::string_view text) {
  std::vector<DType> dtypes;
  for (std::string_view part : split(text, ',')) {
    const std::optional<DType> dtype = parse_dtype(part);
    if (!dtype || (*dtype != DType::i32 && *dtype != DType::i64))
      throw Error(ErrorCode::usage,
                  fmt::format("{}: unknown type of tokens '{}'; known are i32 and i64", option, part));
    if (std::find(dtypes.begin(), dtypes.end(), *dtype) == dtypes.end()) dtypes.push_back(*dtype);
  }
  return dtypes;
}

NoiseScheme parse_noise(std::string_view option, std::string_view text) {
  const std::optional<NoiseScheme> scheme = parse_noise_scheme(text);
  if (!scheme)
    throw Error(ErrorCode::usage,
                fmt::format("{}: unknown scheme '{}'; known are grouped and per_token", option, text));
  return *scheme;
}

std::vector<std::string> feature_names() {
  std::vector<std::string> names = {head::feature_set_name(kNoFeatures)};
  for (const head::FeatureBit& feature : head::feature_bits()) names.emplace_back(feature.name);
  return names;
}

std::vector<Features> parse_feature_sets(std::string_view option, std::string_view text) {
  std::vector<Features> sets;
  for (std::string_view part : split(text, ',')) {
    const std::optional<Features> features = head::parse_feature_set(part);
    if (!features)
      throw Error(ErrorCode::usage,
                  fmt::format("{}: unknown feature set '{}'; known are token, and names joined by '+' of {}",
                              option, part, head::feature_set_name(kAllFeatures)));
    if (std::find(sets.begin(), sets.end(), *features) == sets.end()) sets.push_back(*features);
  }
  return sets;
}

std::vector<Target> parse_targets(std::string_view option, std::string_view text) {
  std::vector<Target> targets;
  for (std::string_view part : split(text, ',')) {
    try {
      targets.push_back(Target::parse(part));
    } catch (const Error& error) {
      throw Error(error.code(), fmt::format("{}: {}", option, error.what()));
    }
  }
  return targets;
}

void require_shape(std::string_view option, const SyntheticShape& shape) {
  // What a Program can index (src/plan/legality.cpp) and what a launch takes, so that no product overflows.
  constexpr int64_t kMaxColumns = 0x7fffff00;
  constexpr int64_t kMaxRows = int64_t{1} << 20;
  const auto within = [&](const char* what, int64_t value, int64_t least, int64_t most) {
    if (value < least || value > most)
      throw Error(ErrorCode::usage,
                  fmt::format("{}: {} {} must lie between {} and {}", option, what, value, least, most));
  };
  within("vocab size", shape.vocab_size, 1, kMaxColumns);
  within("hidden size", shape.hidden_size, 1, kMaxColumns);
  within("batch", shape.rows, 0, kMaxRows);
}

SyntheticShape parse_synthetic(std::string_view text) {
  const std::vector<int64_t> sizes = parse_sizes(text);
  if (sizes.size() < 2 || sizes.size() > 3)
    throw Error(ErrorCode::usage,
                fmt::format("--synthetic: '{}' is not VxK or VxKxB, e.g. 32000x1024x4", text));
  const SyntheticShape shape{sizes[0], sizes[1], sizes.size() == 3 ? sizes[2] : 1};
  require_shape("--synthetic", shape);
  return shape;
}

std::vector<SyntheticShape> parse_shapes(std::string_view option, std::string_view text) {
  std::vector<SyntheticShape> shapes;
  for (std::string_view part : split(text, ',')) {
    const std::vector<int64_t> sizes = parse_sizes(part);
    if (sizes.size() != 2)
      throw Error(ErrorCode::usage, fmt::format("{}: '{}' is not VxK, e.g. 32000x1024", option, part));
    shapes.push_back({sizes[0], sizes[1], 1});
    require_shape(option, shapes.back());
  }
  return shapes;
}

}  // namespace gumtile::tools
