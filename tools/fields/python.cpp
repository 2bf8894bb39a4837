// The generated parts of the Python package.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "support/format.h"
#include "tools/fields/text.h"
#include "tools/fields/words.h"

namespace gumtile::fields {
namespace {

using head::Absent;
using head::Field;
using head::FieldKind;
using head::FieldType;

constexpr size_t kWidth = 120;

/// Fields whose types, defaults or texts in Python differ from the table's. `_arguments.py` implements these
/// differences.
struct InPython {
  std::string_view name;
  std::string_view type;
  std::string_view initial;
  std::string_view text;  ///< empty: the table's
};
constexpr std::array kInPython = {
    InPython{
        "seed", "Optional[Numbers]", "None",
        "[slots] uint64 or int64: rows with the same seed and offset share their noise. None: drawn for "
        "each slot from the default generator of the hidden states' library, the one of "
        "`torch.manual_seed`, `numpy.random.seed` or `cupy.random.seed`; into a CUDA graph it is captured, "
        "and replays draw new ones. `result.seed` has them. With the number 0 as temperature none are drawn"},
    InPython{"offset", "Optional[Numbers]", "None",
             "[rows] uint64 or int64: the position in the request. None: 0; with `row_slot` and drawn seeds "
             "the row's number"},
    InPython{
        "token", "Optional[Array]", "None",
        "an array to write to, [rows] of the head's token dtype (as long as `token_position` says). None: "
        "a new one, of the hidden states' library"},
    InPython{"logprob", "Output", "True", ""},
    InPython{"status", "Output", "True", ""},
};

/// The first parameters. torch's ops also take theirs by position, so this order must not change.
constexpr std::array kFirst = {"temperature", "seed", "offset", "row_slot", "num_rows"};

/// The outputs of torch's ops that are not optional.
constexpr std::array kOfTorchOps = {"token", "logprob", "status"};

template <typename Names>
bool contains(const Names& names, std::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

/// The arguments of a call besides hidden states: first those of `kFirst`, then the others in the order of
/// the table, to which new fields are appended.
std::vector<const Field*> arguments_of(const Tables& tables) {
  std::vector<const Field*> all;
  for (const std::string_view name : kFirst)
    for (const Field& field : tables.fields)
      if (field.name == name) all.push_back(&field);
  for (const Field& field : tables.fields)
    if (field.kind != FieldKind::member && field.over != Over::rows_hidden && !contains(kFirst, field.name))
      all.push_back(&field);
  return all;
}

/// The same, inputs first.
std::vector<const Field*> inputs_and_outputs(const Tables& tables) {
  std::vector<const Field*> all = arguments_of(tables);
  std::stable_partition(all.begin(), all.end(),
                        [](const Field* field) { return field->kind == FieldKind::input; });
  return all;
}

std::vector<const Field*> op_inputs(const Tables& tables) {
  std::vector<const Field*> all = arguments_of(tables);
  std::erase_if(all, [](const Field* field) { return field->kind != FieldKind::input; });
  return all;
}

std::vector<const Field*> op_arguments(const Tables& tables) {
  std::vector<const Field*> all = arguments_of(tables);
  std::erase_if(all, [](const Field* field) { return contains(kOfTorchOps, field->name); });
  return all;
}

std::string optional_tensors(std::span<const Field* const> fields) {
  std::string text;
  for (const Field* field : fields) text += fmt::format("    {}: Optional[Tensor] = None,\n", field->name);
  return text;
}

std::vector<const Field*> head_fields(const Tables& tables) {
  std::vector<const Field*> all;
  for (const Field& field : tables.head_options)
    if (field.kind != FieldKind::member) all.push_back(&field);
  return all;
}

InPython in_python(const Field& field) {
  for (const InPython& own : kInPython)
    if (own.name == field.name) return own;
  return {field.name, field.kind == FieldKind::input ? "Optional[Numbers]" : "Output", "None", ""};
}

/// The table's sentence in Python's terms.
std::string sentence(const Field& field) {
  std::string text = joined_lines(field.text);
  text = replaced(text, "GUMTILE_STATUS_…", "gumtile.RowStatus");
  if (field.kind == FieldKind::output) text = replaced(text, ". Null: not asked for", "");
  text = replaced(text, "Null: ", "None: ");
  return replaced(text, "null: ", "None: ");
}

/// A shape with the extents as Python's callers know them.
std::string_view extent(Over over) { return over == Over::vocab ? "[vocab_size]" : shape(over); }

std::string_view setting_type(const Field& field) { return field.type == FieldType::f32 ? "float" : "int"; }

/// Shape and dtypes, as "[rows] uint32 or int32". The signed alternative is for torch, which has no use for
/// unsigned words.
std::string shape_and_dtype(const Field& field) {
  const std::string dtype = field.type == FieldType::u64     ? "uint64 or int64"
                            : field.type == FieldType::u32   ? "uint32 or int32"
                            : field.type == FieldType::token ? "of the head's token dtype"
                                                             : std::string(dtype_name(field.type));
  if (field.over == Over::one) return "one " + dtype;
  return fmt::format("{}{}{}", extent(field.over), dtype.empty() ? "" : " ", dtype);
}

/// The documentation of an argument.
std::string described(const Field& field) {
  const InPython own = in_python(field);
  if (!own.text.empty()) return std::string(own.text);
  std::string text = shape_and_dtype(field);
  if (field.kind == FieldKind::output) text += " to write to, True for a new one, None for none";
  text += ": " + sentence(field);
  if (!field.feature.empty())
    text += fmt::format(". Must have been prepared: the feature \"{}\"", field.feature);
  return text;
}

/// The documentation of an option of a head.
std::string described_option(const Field& field) {
  if (field.kind == FieldKind::setting) return sentence(field);
  return fmt::format("{} in {}, kept alive like the weights: {}", extent(field.over),
                     matrix_format_names("or", &Format::torch), sentence(field));
}

std::string docstring_line(std::string_view name, std::string_view text) {
  const std::string indent(12, ' ');
  return wrapped(fmt::format("{}: {}.", name, text), indent, indent + "    ", kWidth) + "\n";
}

/// given = dict(name=name, ...)
std::string dict_of(std::string_view target, std::span<const Field* const> fields, size_t indent) {
  const std::string spaces(indent, ' ');
  std::string items;
  for (const Field* field : fields)
    items += fmt::format("{}{}={}", items.empty() ? "" : ", ", field->name, field->name);
  if (fields.empty()) return fmt::format("{}{} = dict()\n", spaces, target);
  const std::string lines = wrapped(items, spaces + "    ", spaces + "    ", kWidth - 1);
  return fmt::format("{}{} = dict(\n{},\n{})\n", spaces, target, lines, spaces);
}

std::string_view ctype(const Field& field) {
  if (field.type == FieldType::text) return "c_char_p";
  if (is_pointer(field)) return "c_void_p";
  switch (field.type) {
    case FieldType::dtype:
    case FieldType::noise:
      return "c_int";
    case FieldType::i32:
      return "c_int32";
    case FieldType::u32:
      return "c_uint32";
    case FieldType::i64:
      return "c_int64";
    case FieldType::u64:
      return "c_uint64";
    case FieldType::f32:
      return "c_float";
    default:
      return "c_size_t";
  }
}

std::string_view axes(Over over) {
  switch (over) {
    case Over::one:
      return "one";
    case Over::rows:
      return "rows";
    case Over::slots:
      return "slots";
    case Over::vocab:
      return "vocab";
    case Over::rows_hidden:
      return "rows_hidden";
  }
  return "";
}

std::string_view kind_name(FieldKind kind) {
  switch (kind) {
    case FieldKind::member:
      return "member";
    case FieldKind::input:
      return "input";
    case FieldKind::output:
      return "output";
    case FieldKind::setting:
      return "setting";
    case FieldKind::array:
      return "array";
  }
  return "";
}

std::string members_of(std::span<const Field> fields) {
  std::string text;
  for (const Field& field : fields) text += fmt::format("    ({}, {}),\n", quoted(field.name), ctype(field));
  return text;
}

std::string field_object(const Field& field) {
  return fmt::format("    Field({}, {}, {}, {}, {}, {},\n          {}),\n", quoted(field.name),
                     quoted(kind_name(field.kind)),
                     quoted(field.type == FieldType::own ? "own" : dtype_name(field.type)),
                     quoted(axes(field.over)), field.absent.kind == Absent::Kind::refused ? "True" : "False",
                     quoted(field.feature), quoted(sentence(field)));
}

}  // namespace

std::string python_module(const Tables& tables) {
  std::string fields, head_fields, features, status, dtypes, bytes, floats;
  for (const Format& format : c_formats()) {
    dtypes += fmt::format("    {}: {},\n", quoted(format.torch), format.c_number);
    if (format.block_elements == 1)
      bytes += fmt::format("    {}: {},\n", quoted(format.torch), format.block_bytes);
  }
  for (const Format& format : matrix_formats()) floats += fmt::format("    {},\n", quoted(format.torch));
  for (const Field& field : tables.fields)
    if (field.kind != FieldKind::member) fields += field_object(field);
  for (const Field* field : fields::head_fields(tables)) head_fields += field_object(*field);
  for (const head::FeatureBit& bit : tables.features)
    features += fmt::format("    {}: {},\n", quoted(bit.name), bit.bit);
  for (const head::StatusBit& bit : tables.status_bits)
    status +=
        fmt::format("    #: {}.\n    {} = {}\n", capitalised(status_text(bit)), upper(bit.name), bit.bit);
  return fmt::format(
      "\"\"\"What a sampling call takes and returns.\n\n"
      "Generated from src/head/fields.cpp and include/gumtile/dtype.h: do not edit.\n\"\"\"\n\n"
      "from __future__ import annotations\n\n"
      "import enum\n"
      "from ctypes import c_char_p, c_float, c_int, c_int32, c_int64, c_size_t, c_uint32, c_uint64, c_void_p "
      " # noqa: F401\n"
      "from typing import Any, Dict, List, NamedTuple, Tuple\n\n\n"
      "class Field(NamedTuple):\n"
      "    \"\"\"What a call binds, or a head is made with.\"\"\"\n\n"
      "    name: str\n"
      "    #: Arrays of a call: \"input\" or \"output\". Of a head: \"setting\" (a number) or \"array\".\n"
      "    kind: str\n"
      "    #: The dtype of its elements. \"hidden\" and \"token\" are the head's, \"own\" the array's.\n"
      "    dtype: str\n"
      "    #: \"one\" (one word), \"rows\", \"slots\", \"vocab\" or \"rows_hidden\".\n"
      "    over: str\n"
      "    required: bool\n"
      "    #: The feature that binding it asks for, or \"\".\n"
      "    feature: str\n"
      "    doc: str\n\n\n"
      "#: The numbers of gumtile_dtype.\n"
      "DTYPES: Dict[str, int] = {{\n{}}}\n"
      "#: Bytes of their elements.\n"
      "DTYPE_BYTES: Dict[str, int] = {{\n{}}}\n"
      "#: Those that matrices may have.\n"
      "MATRIX_DTYPES: Tuple[str, ...] = (\n{})\n\n"
      "#: The members of gumtile_sample_args.\n"
      "SAMPLE_ARGS: List[Tuple[str, Any]] = [\n"
      "    (\"struct_size\", c_size_t),\n{}]\n\n"
      "#: The members of gumtile_head_options.\n"
      "HEAD_OPTIONS: List[Tuple[str, Any]] = [\n"
      "    (\"struct_size\", c_size_t),\n{}]\n\n"
      "#: What a call takes and returns.\n"
      "FIELDS: Tuple[Field, ...] = (\n{})\n\n"
      "#: What a head does to all of its logits.\n"
      "HEAD_FIELDS: Tuple[Field, ...] = (\n{})\n\n"
      "#: What launches may ask for beside tokens and status words.\n"
      "FEATURES: Dict[str, int] = {{\n{}}}\n\n\n"
      "class RowStatus(enum.IntFlag):\n"
      "    \"\"\"Bits of a row's status word.\"\"\"\n\n{}",
      dtypes, bytes, floats, members_of(tables.fields), members_of(tables.head_options), fields, head_fields,
      features, status);
}

std::string python_parameters(const Tables& tables) {
  std::string text;
  for (const Field* field : inputs_and_outputs(tables)) {
    const InPython own = in_python(*field);
    text += fmt::format("        {}: {} = {},\n", field->name, own.type, own.initial);
  }
  return text;
}

std::string python_arguments(const Tables& tables) {
  std::string text;
  for (const Field* field : inputs_and_outputs(tables))
    text += docstring_line(field->name, described(*field));
  return text;
}

std::string python_values(const Tables& tables) { return dict_of("given", inputs_and_outputs(tables), 8); }

std::string python_results(const Tables& tables) {
  std::string text;
  for (const Field& field : tables.fields) {
    if (field.kind != FieldKind::output) continue;
    const bool required = field.absent.kind == Absent::Kind::refused;
    const std::string shown = replaced(shape_and_dtype(field), "uint32 or int32", "uint32 (int32 in torch)");
    text +=
        wrapped(fmt::format("{}: {}.", capitalised(shown), sentence(field)), "    #: ", "    #: ", kWidth) +
        "\n";
    text += fmt::format("    {}: Any{}\n", field.name, required ? "" : " = None");
  }
  return text;
}

std::string python_head_attributes(const Tables& tables) {
  std::string text;
  for (const Field* field : head_fields(tables))
    if (field->kind == FieldKind::setting)
      text += wrapped(sentence(*field) + ".", "    #: ", "    #: ", kWidth) +
              fmt::format("\n    {}: {}\n", field->name, setting_type(*field));
  return text;
}

std::string python_head_parameters(const Tables& tables) {
  std::string text;
  for (const Field* field : head_fields(tables)) {
    if (field->kind == FieldKind::array)
      text += fmt::format("        {}: Optional[Array] = None,\n", field->name);
    else
      text += fmt::format("        {}: Optional[{}] = None,\n", field->name, setting_type(*field));
  }
  return text;
}

std::string python_head_arguments(const Tables& tables) {
  std::string text;
  for (const Field* field : head_fields(tables))
    text += docstring_line(field->name, described_option(*field));
  return text;
}

std::string python_head_values(const Tables& tables) {
  return dict_of("given: Dict[str, Any]", head_fields(tables), 8);
}

std::string torch_inputs(const Tables& tables) { return optional_tensors(op_inputs(tables)); }
std::string torch_input_values(const Tables& tables) { return dict_of("given", op_inputs(tables), 4); }
std::string torch_arguments(const Tables& tables) { return optional_tensors(op_arguments(tables)); }
std::string torch_argument_values(const Tables& tables) { return dict_of("given", op_arguments(tables), 4); }

std::string docs_python(const Tables& tables) {
  std::string text = "| argument | |\n|---|---|\n";
  for (const Field* field : inputs_and_outputs(tables))
    text += fmt::format("| `{}` | {} |\n", field->name, described(*field));
  return text;
}

std::string docs_python_head(const Tables& tables) {
  const std::vector<const Field*> options = head_fields(tables);
  if (options.empty()) return "";
  std::string text = "| option of `Head` | |\n|---|---|\n";
  for (const Field* field : options)
    text += fmt::format("| `{}` | {} |\n", field->name, described_option(*field));
  return text;
}

}  // namespace gumtile::fields
