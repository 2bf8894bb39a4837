#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "gumtile/engine.h"
#include "gumtile/head_settings.h"
#include "tools/device_array.h"
#include "tools/options.h"

/// What a head does to all of its logits, on the command line: an option for each row of the table
/// (src/head/fields.cpp), `--softcap X` or `--bias …`.
namespace gumtile::tools {

/// Texts as given, by the table's order; empty for those that were not.
struct SettingOptions {
  std::vector<std::string> scalars;
  std::vector<std::string> arrays;
};

/// What the value of an array's option is.
enum class ArrayValue {
  type,  ///< bf16, f16, f32 or none
  file,  ///< FILE[:TENSOR] or none; the type with synthetic weights
};

/// Adds an option for each setting to `app`. `unset` says what those are that are not given.
void add_settings(CLI::App& app, SettingOptions& options, ArrayValue arrays,
                  const std::string& unset = "the model's");

/// Settings as the options have them, else as in `model`. Of arrays whose option names a type the address is
/// null; those with files are not looked at. Throws Error(usage) naming the option.
HeadSettings override_settings(const SettingOptions& options, ArrayValue arrays, HeadSettings model);

/// The same settings, of arrays the types alone.
HeadSettings without_addresses(HeadSettings settings);

/// The options that say the same, " --softcap 30 --bias bf16"; empty for no settings.
std::string setting_options(const HeadSettings& settings);

/// " with softcap=30,bias=bf16"; empty for no settings.
std::string with_settings(const HeadSettings& settings);

/// Pseudo-random arrays of `count` elements for all arrays of `settings`, whose addresses are set; the result
/// keeps their memory.
std::deque<DeviceArray> synthetic_arrays(const std::shared_ptr<Engine>& engine, int64_t count,
                                         HeadSettings& settings);

}  // namespace gumtile::tools
