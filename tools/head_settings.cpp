#include "tools/head_settings.h"

#include <algorithm>

#include "head/fields.h"
#include "head/settings.h"
#include "tools/synthetic.h"
#include "tools/validators.h"

namespace gumtile::tools {
namespace {

using head::array_settings;
using head::scalar_settings;

/// What an option does: the table's text, without the value that means none.
std::string description_of(std::string_view setting) {
  const std::string text = in_one_line(head::find_head_option(setting)->text);
  return text.substr(0, text.rfind("; "));
}

float parse_setting(const head::ScalarSetting& scalar, const std::string& text) {
  const std::optional<HeadSettings> parsed = head::parse_settings(fmt::format("{}={}", scalar.name, text));
  if (!parsed)
    throw Error(ErrorCode::usage,
                fmt::format("{}: '{}' is not a finite normal f32{}", option_name(scalar.name), text,
                            head::find_head_option(scalar.name)->non_negative ? " of at least 0" : ""));
  return scalar.of(*parsed);
}

}  // namespace

void add_settings(CLI::App& app, SettingOptions& options, ArrayValue arrays, const std::string& unset) {
  options.scalars.resize(scalar_settings().size());
  options.arrays.resize(array_settings().size());
  for (size_t i = 0; i < scalar_settings().size(); ++i) {
    const std::string_view name = scalar_settings()[i].name;
    add_text(app, option_name(name), options.scalars[i], "X",
             fmt::format("{}; 0: none (default: {})", description_of(name), unset))
        ->check(not_empty("a number"));
  }
  std::vector<std::string> types_or_none = matrix_dtype_names();
  types_or_none.emplace_back("none");
  for (size_t i = 0; i < array_settings().size(); ++i) {
    const std::string_view name = array_settings()[i].name;
    if (arrays == ArrayValue::type)
      add_choice(app, option_name(name), options.arrays[i], "TYPE", types_or_none,
                 fmt::format("type of what is {} (default: {})", description_of(name), unset));
    else
      add_text(app, option_name(name), options.arrays[i], "FILE[:TENSOR]",
               fmt::format("a vector that is {}, or none (default: {}). With --synthetic: its type",
                           description_of(name), unset))
          ->check(not_empty("a file or none"));
  }
}

HeadSettings override_settings(const SettingOptions& options, ArrayValue arrays, HeadSettings model) {
  for (size_t i = 0; i < options.scalars.size(); ++i)
    if (!options.scalars[i].empty())
      scalar_settings()[i].set(model, parse_setting(scalar_settings()[i], options.scalars[i]));
  for (size_t i = 0; i < options.arrays.size(); ++i) {
    const std::string& text = options.arrays[i];
    if (text.empty() || (arrays == ArrayValue::file && text != "none")) continue;
    const head::ArraySetting& array = array_settings()[i];
    const std::string option = option_name(array.name);
    array.set(model, nullptr,
              text == "none" ? std::nullopt : std::optional(parse_matrix_dtype(option, text)));
  }
  return model;
}

HeadSettings without_addresses(HeadSettings settings) {
  for (const head::ArraySetting& array : array_settings()) array.set(settings, nullptr);
  return settings;
}

std::string setting_options(const HeadSettings& settings) {
  std::string text;
  for (const head::ScalarSetting& scalar : scalar_settings())
    if (scalar.of(settings) != 0)
      text += fmt::format(" {} {}", option_name(scalar.name), scalar.of(settings));
  for (const head::ArraySetting& array : array_settings())
    if (const std::optional<DType> dtype = array.dtype(settings))
      text += fmt::format(" {} {}", option_name(array.name), name(*dtype));
  return text;
}

std::string with_settings(const HeadSettings& settings) {
  const std::string text = head::settings_text(settings);
  return text.empty() ? "" : " with " + text;
}

std::deque<DeviceArray> synthetic_arrays(const std::shared_ptr<Engine>& engine, int64_t count,
                                         HeadSettings& settings) {
  constexpr uint64_t kFirstStream = 16;  // 0 and 1 are weights and hidden states
  std::deque<DeviceArray> arrays;
  for (size_t i = 0; i < array_settings().size(); ++i)
    if (const std::optional<DType> dtype = array_settings()[i].dtype(settings)) {
      arrays.push_back(synthetic_array(engine, count, *dtype, kFirstStream + i, 1.0F));
      array_settings()[i].set(settings, arrays.back().data());
    }
  return arrays;
}

}  // namespace gumtile::tools
