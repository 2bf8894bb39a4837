#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "head/fields.h"
#include "plan/family.h"

/// Texts generated from the table of fields (src/head/fields.h): the mechanical parts of a field in the C
/// header, in C++, in Python and in the docs. Also the docs of schedules' fields, generated from the fields
/// of each family (src/plan/family.h). `generate_fields` writes them into the tree.
namespace gumtile::fields {

/// The tables to generate from: the built-in ones, or in tests others.
struct Tables {
  std::span<const head::Field> fields = head::fields();
  std::span<const head::Field> head_options = head::head_options();
  std::span<const head::StatusBit> status_bits = head::status_bits();
  std::span<const head::FeatureBit> features = head::feature_bits();
};

/// The enumerations of gumtile.h: dtypes; features and status bits.
std::string c_dtypes(const Tables& tables);
std::string c_enumerations(const Tables& tables);
/// gumtile_sample_args and gumtile_head_options, with their _INIT macros and their layouts as assertions.
std::string c_sample_args(const Tables& tables);
std::string c_head_options(const Tables& tables);
/// StatusBits, Features and Feature of head_program.h.
std::string cpp_enumerations(const Tables& tables);
/// HeadSettings of head_settings.h, and the tables of its members in src/head/setting_members.cpp.
std::string cpp_settings(const Tables& tables);
std::string cpp_setting_members(const Tables& tables);
/// The whole of python/gumtile/_fields.py.
std::string python_module(const Tables& tables);
/// For Head.sample and Head.bind: the parameters of the signature, their lines in the docstring, and the dict
/// in which they are passed on.
std::string python_parameters(const Tables& tables);
std::string python_arguments(const Tables& tables);
std::string python_values(const Tables& tables);
/// The members of SampleResult.
std::string python_results(const Tables& tables);
/// For Head: its attributes, the constructor's parameters, their lines in its docstring, and the dict in
/// which they are passed on.
std::string python_head_attributes(const Tables& tables);
std::string python_head_parameters(const Tables& tables);
std::string python_head_arguments(const Tables& tables);
std::string python_head_values(const Tables& tables);
/// For torch's ops: the parameters that are not written by hand, and the dict in which they are passed on.
/// First the inputs of `sample`, then the arguments of `sample_out`.
std::string torch_inputs(const Tables& tables);
std::string torch_input_values(const Tables& tables);
std::string torch_arguments(const Tables& tables);
std::string torch_argument_values(const Tables& tables);
/// Tables in Markdown: inputs, outputs, the settings of a head, the bits of a row's status.
std::string docs_inputs(const Tables& tables);
std::string docs_outputs(const Tables& tables);
std::string docs_settings(const Tables& tables);
std::string docs_status(const Tables& tables);
/// Tables of the arguments of Head.sample, and of what a head does to its logits.
std::string docs_python(const Tables& tables);
std::string docs_python_head(const Tables& tables);
/// The table of a family's fields.
std::string docs_schedule(const Family& family);

/// `text` with `content` between every line that contains `begin` and the next line that contains `end`.
/// Throws Error(bad_data) if `text` has no such lines.
std::string with_lines(const std::string& text, std::string_view begin, std::string_view end,
                       const std::string& content);
/// The same between the lines with "BEGIN generated: " and "END generated: ", each followed by the name of a
/// section.
std::string with_section(const std::string& text, std::string_view section, const std::string& content);

}  // namespace gumtile::fields
