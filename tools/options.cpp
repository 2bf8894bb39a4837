#include "tools/options.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <optional>

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

/// Every value of a list through `parse`, which returns nothing for a value that is not `expected`. `item`
/// names what a value is for, counted from 0.
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

std::optional<float> parse_temperature(std::string_view text) {
  const std::optional<double> value = parse_number<double>(text);
  if (!value || !std::isfinite(static_cast<float>(*value)) || *value < 0) return std::nullopt;
  return static_cast<float>(*value);
}

}  // namespace

std::vector<float> parse_temperatures(std::string_view option, std::string_view text) {
  return parse_list<float>(option, text, "row",
                           "a temperature: a finite number of at least 0 (0: the most likely token)",
                           parse_temperature);
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
                fmt::format("{}: unknown type '{}'; known are bf16, f16 and f32", option, text));
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

std::string_view feature_set_name(Features features) {
  return (features & feature_logprob) != 0 ? "logprob" : "token";
}

std::vector<Features> parse_feature_sets(std::string_view option, std::string_view text) {
  std::vector<Features> sets;
  for (std::string_view part : split(text, ',')) {
    if (part != "token" && part != "logprob")
      throw Error(ErrorCode::usage,
                  fmt::format("{}: unknown feature set '{}'; known are token and logprob", option, part));
    const Features features = part == "logprob" ? Features{feature_logprob} : kNoFeatures;
    if (std::find(sets.begin(), sets.end(), features) == sets.end()) sets.push_back(features);
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
  std::vector<int64_t> sizes;
  for (std::string_view part : split(text, 'x')) {
    const std::optional<int64_t> size = parse_number<int64_t>(part);
    if (!size) break;
    sizes.push_back(*size);
  }
  const auto separators = static_cast<size_t>(std::count(text.begin(), text.end(), 'x'));
  if (sizes.size() != separators + 1 || sizes.size() < 2 || sizes.size() > 3)
    throw Error(ErrorCode::usage,
                fmt::format("--synthetic: '{}' is not VxK or VxKxB, e.g. 32000x1024x4", text));
  const SyntheticShape shape{sizes[0], sizes[1], sizes.size() == 3 ? sizes[2] : 1};
  require_shape("--synthetic", shape);
  return shape;
}

}  // namespace gumtile::tools
