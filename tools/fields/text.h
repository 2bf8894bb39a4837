#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "head/fields.h"

/// Texts made of the table of fields (src/head/fields.h): what is mechanical about a field in the C header,
/// in C++, in Python and in the docs. `generate_fields` writes them into the tree.
namespace gumtile::fields {

/// The table, or in tests another one.
struct Tables {
  std::span<const head::Field> fields = head::fields();
  std::span<const head::Field> head_options = head::head_options();
  std::span<const head::StatusBit> status_bits = head::status_bits();
  std::span<const head::FeatureBit> features = head::feature_bits();
};

/// The enumerations of gumtile.h: features and status bits.
std::string c_enumerations(const Tables& tables);
/// gumtile_sample_args and gumtile_head_options, with their _INIT macros and their layouts as assertions.
std::string c_sample_args(const Tables& tables);
std::string c_head_options(const Tables& tables);
/// StatusBits, Features and Feature of head_program.h.
std::string cpp_enumerations(const Tables& tables);
/// HeadSettings of head_settings.h, and the tables of its members of src/head/setting_members.cpp.
std::string cpp_settings(const Tables& tables);
std::string cpp_setting_members(const Tables& tables);
/// python/gumtile/_fields.py, whole.
std::string python_module(const Tables& tables);
/// Tables in Markdown: inputs, outputs, the settings of a head, the bits of a row's status.
std::string docs_inputs(const Tables& tables);
std::string docs_outputs(const Tables& tables);
std::string docs_settings(const Tables& tables);
std::string docs_status(const Tables& tables);

/// `text` with what is between the lines that begin with `BEGIN` and `END` and name `section` replaced.
/// Throws Error(bad_data) if `text` lacks them.
std::string with_section(const std::string& text, std::string_view section, const std::string& content);

}  // namespace gumtile::fields
