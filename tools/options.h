#pragma once

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "gumtile/dtype.h"
#include "gumtile/error.h"
#include "gumtile/lm_head.h"
#include "gumtile/programs.h"
#include "gumtile/target.h"
#include "tools/validators.h"

/// The values of command-line options. Everything here throws Error(usage) naming the option, what was found
/// and what is expected. `option` is the option's name, e.g. "--seed".
namespace gumtile::tools {

// Options that subcommands share, each with its placeholder, its checks and its default. Calls on the
// returned option may make it required or exclusive.

/// An enumeration, and a comma-separated list of such values.
CLI::Option* add_choice(CLI::App& app, const std::string& name, std::string& value,
                        const std::string& placeholder, std::vector<std::string> values,
                        const std::string& description);
CLI::Option* add_choices(CLI::App& app, const std::string& name, std::string& value,
                         const std::string& placeholder, std::vector<std::string> values,
                         const std::string& description);
/// An integer from `least` to `most`. Shows its default unless that is outside of them, which means that the
/// option was not given.
template <typename Integer>
CLI::Option* add_integer(CLI::App& app, const std::string& name, Integer& value,
                         const std::string& description, int64_t least = 1,
                         int64_t most = std::numeric_limits<Integer>::max()) {
  CLI::Option* option =
      app.add_option(name, value, description)->type_name("N")->transform(integer(least, most));
  if (value >= least && value <= most) option->capture_default_str();
  return option;
}
/// Text that is checked later, such as a schedule or a list of numbers.
CLI::Option* add_text(CLI::App& app, const std::string& name, std::string& value,
                      const std::string& placeholder, const std::string& description);
/// `--format`: the first of `formats` is the default.
CLI::Option* add_format(CLI::App& app, std::string& format, std::vector<std::string> formats);
CLI::Option* add_device(CLI::App& app, std::string& device);
/// The names of the types that matrices may have.
std::vector<std::string> matrix_dtype_names();
/// The type of a matrix.
CLI::Option* add_matrix_dtype(CLI::App& app, const std::string& name, std::string& dtype,
                              const std::string& description);
CLI::Option* add_noise(CLI::App& app, std::string& noise);
/// `--pack`: kernels from a file.
CLI::Option* add_pack(CLI::App& app, std::string& pack);

/// The command's name of a row of the table of fields: "--row-slot"; and its text without line breaks.
std::string option_name(std::string_view field);
std::string in_one_line(std::string_view text);

/// Values separated by commas. Numbers are finite, and with `non_negative` at least 0.
std::vector<float> parse_f32_list(std::string_view option, std::string_view text, bool non_negative);
std::vector<uint64_t> parse_u64_list(std::string_view option, std::string_view text);
std::vector<int32_t> parse_i32_list(std::string_view option, std::string_view text,
                                    std::string_view item = "row");

/// The type of a matrix: bf16, f16 or f32.
DType parse_matrix_dtype(std::string_view option, std::string_view text);
/// Types of tokens, i32 or i64, separated by commas; no two are the same.
std::vector<DType> parse_token_dtypes(std::string_view option, std::string_view text);
NoiseScheme parse_noise(std::string_view option, std::string_view text);

/// "token", and the names of all features.
std::vector<std::string> feature_names();
/// Sets of features (head/fields.h names them), separated by commas; no two are the same.
std::vector<Features> parse_feature_sets(std::string_view option, std::string_view text);

/// Targets separated by commas.
std::vector<Target> parse_targets(std::string_view option, std::string_view text);

/// `--synthetic VxK[xB]`
struct SyntheticShape {
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  int64_t rows = 1;
};
SyntheticShape parse_synthetic(std::string_view text);
/// "VxK,VxK,…"
std::vector<SyntheticShape> parse_shapes(std::string_view option, std::string_view text);
/// Checks that sizes from options such as `option` are within what Programs index and launches take.
void require_shape(std::string_view option, const SyntheticShape& shape);

/// `values` for each of `count` rows: one value applies to all rows, else there must be exactly `count`.
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
