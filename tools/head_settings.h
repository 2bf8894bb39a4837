#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "gumtile/engine.h"
#include "gumtile/head_settings.h"
#include "tools/device_array.h"
#include "tools/options.h"

/// What a head does to all of its logits, on the command line: one option per row of the table
/// (src/head/fields.cpp), e.g. `--softcap X` or `--bias …`.
namespace gumtile::tools {

/// Texts as given, in the table's order; empty for options that were not given.
struct SettingOptions {
  std::vector<std::string> scalars;
  std::vector<std::string> arrays;
};

/// The kind of value that an array's option takes.
enum class ArrayValue {
  type,  ///< bf16, f16, f32 or none
  file,  ///< FILE[:TENSOR] or none; the type with synthetic weights
};

/// Adds one option per setting to `app`. `unset` describes the default of those that are not given.
void add_settings(CLI::App& app, SettingOptions& options, ArrayValue arrays,
                  const std::string& unset = "the model's");

/// The settings of the options, else those of `model`. If an array's option names a type, its address is
/// null; files are not opened. Throws Error(usage) naming the option.
HeadSettings override_settings(const SettingOptions& options, ArrayValue arrays, HeadSettings model);

/// The same settings, with only the types of arrays.
HeadSettings without_addresses(HeadSettings settings);

/// The equivalent options, " --softcap 30 --bias bf16"; empty for no settings.
std::string setting_options(const HeadSettings& settings);

/// " with softcap=30,bias=bf16"; empty for no settings.
std::string with_settings(const HeadSettings& settings);

/// Creates pseudo-random arrays of `count` elements for all arrays of `settings`, and sets their addresses;
/// the result keeps their memory.
std::deque<DeviceArray> synthetic_arrays(const std::shared_ptr<Engine>& engine, int64_t count,
                                         HeadSettings& settings);

}  // namespace gumtile::tools
