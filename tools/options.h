#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gumtile/dtype.h"
#include "gumtile/error.h"
#include "gumtile/lm_head.h"
#include "gumtile/programs.h"
#include "gumtile/target.h"

/// The values of command-line options. Everything here throws Error(usage) naming the option, what was found
/// and what is expected. `option` is the option's name, e.g. "--seed".
namespace gumtile::tools {

/// Values separated by commas. Temperatures are finite and at least 0.
std::vector<float> parse_temperatures(std::string_view option, std::string_view text);
std::vector<uint64_t> parse_u64_list(std::string_view option, std::string_view text);
std::vector<int32_t> parse_i32_list(std::string_view option, std::string_view text,
                                    std::string_view item = "row");

/// The type of a matrix: bf16, f16 or f32.
DType parse_matrix_dtype(std::string_view option, std::string_view text);
/// Types of tokens, i32 or i64, separated by commas; no two are the same.
std::vector<DType> parse_token_dtypes(std::string_view option, std::string_view text);
NoiseScheme parse_noise(std::string_view option, std::string_view text);

/// Sets of features, "token" or "logprob", separated by commas; no two are the same.
std::vector<Features> parse_feature_sets(std::string_view option, std::string_view text);
std::string_view feature_set_name(Features features);

/// Targets separated by commas.
std::vector<Target> parse_targets(std::string_view option, std::string_view text);

/// `--synthetic VxK[xB]`
struct SyntheticShape {
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  int64_t rows = 1;
};
SyntheticShape parse_synthetic(std::string_view text);
/// Checks sizes that come from options such as `option`: within what Programs index and launches take.
void require_shape(std::string_view option, const SyntheticShape& shape);

/// `values` for each of `count` rows: one value stands for all, else there must be exactly `count`.
template <typename T>
std::vector<T> spread(std::string_view option, const std::vector<T>& values, size_t count,
                      std::string_view what) {
  if (values.size() == 1) return std::vector<T>(count, values[0]);
  if (values.size() != count)
    throw Error(ErrorCode::usage,
                fmt::format("{} has {} values; expected one for all or one for each of the {} {}", option,
                            values.size(), count, what));
  return values;
}

}  // namespace gumtile::tools
