#include "tools/fields/text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "gumtile/error.h"
#include "support/format.h"
#include "tools/fields/words.h"

namespace gumtile::fields {
namespace {

using head::Field;
using head::FieldKind;
using head::FieldType;

constexpr size_t kWidth = 110;

/// The text of a macro, with continued lines.
std::string wrapped_macro(std::string_view text) {
  const std::string lines = wrapped(text, "  ", "    ", kWidth - 2);
  std::string result;
  for (const char c : lines) result += c == '\n' ? std::string(" \\\n") : std::string(1, c);
  return result;
}

std::string_view c_type(FieldType type) {
  switch (type) {
    case FieldType::hidden:
    case FieldType::token:
    case FieldType::own:
    case FieldType::bytes:
      return "void";
    case FieldType::i32:
      return "int32_t";
    case FieldType::u32:
      return "uint32_t";
    case FieldType::i64:
      return "int64_t";
    case FieldType::u64:
      return "uint64_t";
    case FieldType::f32:
      return "float";
    case FieldType::size:
      return "size_t";
    case FieldType::text:
      return "char";
    case FieldType::dtype:
      return "gumtile_dtype";
    case FieldType::noise:
      return "gumtile_noise";
  }
  return "";
}

bool is_const(const Field& field) {
  return field.kind != FieldKind::output && field.type != FieldType::bytes;
}

std::string declaration(const Field& field) {
  if (!is_pointer(field)) return fmt::format("{} {};", c_type(field.type), field.name);
  return fmt::format("{}{}* {};", is_const(field) ? "const " : "", c_type(field.type), field.name);
}

/// A field's value in _INIT; 0 stands for an absent one.
std::string initial(const Field& field) {
  if (is_pointer(field)) return "NULL";
  if (field.type == FieldType::dtype) return "(gumtile_dtype)0";
  return field.type == FieldType::noise ? "GUMTILE_NOISE_GROUPED" : "0";
}

std::string comment_of(const Field& field) {
  const std::string text = replaced(joined_lines(field.text), "{floats}", matrix_format_names("or"));
  if (field.kind == FieldKind::member || field.kind == FieldKind::setting) return text;
  const std::string_view dtype = field.type == FieldType::hidden  ? " of the head's hidden_dtype"
                                 : field.type == FieldType::token ? " of the head's token_dtype"
                                                                  : "";
  return fmt::format("{}{}: {}", shape(field.over), dtype, text);
}

/// The lines of an enumerator in C.
std::string c_bit(std::string_view prefix, std::string_view name, std::string_view text, uint64_t value) {
  return fmt::format("  /* {} */\n  GUMTILE_{}_{} = {},\n", text, prefix, upper(name), value);
}

/// A struct that begins with struct_size, its _INIT macro, and its layout as assertions.
std::string c_struct(std::string_view type, std::string_view init, std::span<const Field> fields) {
  std::string members;
  std::vector<std::string> values;
  for (const Field& field : fields) {
    members += wrapped(comment_of(field), "  /* ", "     ", kWidth - 3) + " */\n";
    members += fmt::format("  {}\n", declaration(field));
    values.push_back(initial(field));
  }
  std::string assertions;
  const std::vector<size_t> at = head::member_offsets(fields);
  for (size_t i = 0; i < fields.size(); ++i)
    assertions += fmt::format("GUMTILE_LAYOUT(offsetof({}, {}) == {});\n", type, fields[i].name, at[i]);
  assertions += fmt::format("GUMTILE_LAYOUT(sizeof({}) == {});\n", type, at.back());
  return fmt::format(
      "typedef struct {0} {{\n"
      "  size_t struct_size;\n{1}"
      "}} {0};\n"
      "#define {2} \\\n{3}\n"
      "#ifdef GUMTILE_LAYOUT\n{4}#endif\n",
      type, members, init, wrapped_macro(fmt::format("{{ sizeof({}), {} }}", type, fmt::join(values, ", "))),
      assertions);
}

std::string without_last_comma(std::string text) {
  const size_t comma = text.rfind(',');
  if (comma != std::string::npos) text.erase(comma, 1);
  return text;
}

std::string_view docs_type(FieldType type) {
  switch (type) {
    case FieldType::hidden:
      return "hidden_dtype";
    case FieldType::token:
      return "token_dtype";
    default:
      return dtype_name(type);
  }
}

std::string docs_rows(const Tables& tables, FieldKind kind) {
  std::string text;
  for (const Field& field : tables.fields)
    if (field.kind == kind)
      text += fmt::format("| `{}` | {} | {} | {} |\n", field.name, docs_type(field.type), shape(field.over),
                          joined_lines(field.text));
  return text;
}

}  // namespace

std::string c_dtypes(const Tables& /*tables*/) {
  std::string members;
  for (const Format& format : c_formats())
    members += fmt::format("  GUMTILE_{} = {},\n", upper(format.name), format.c_number);
  return fmt::format("typedef enum gumtile_dtype {{\n{}}} gumtile_dtype;\n", without_last_comma(members));
}

std::string c_enumerations(const Tables& tables) {
  std::string features, status;
  for (const head::FeatureBit& bit : tables.features)
    features += c_bit("FEATURE", bit.name, bit.text, bit.bit);
  for (const head::StatusBit& bit : tables.status_bits)
    status += c_bit("STATUS", bit.name, status_text(bit), bit.bit);
  return fmt::format(
      "/* What a launch may ask for beyond tokens and status words; bits of a set. */\n"
      "enum {{\n{}}};\n\n"
      "/* Bits of a row's status word. */\n"
      "enum {{\n{}}};\n",
      without_last_comma(features), without_last_comma(status));
}

std::string c_sample_args(const Tables& tables) {
  return c_struct("gumtile_sample_args", "GUMTILE_SAMPLE_ARGS_INIT", tables.fields);
}

std::string c_head_options(const Tables& tables) {
  return c_struct("gumtile_head_options", "GUMTILE_HEAD_OPTIONS_INIT", tables.head_options);
}

std::string cpp_settings(const Tables& tables) {
  std::string members;
  for (const Field& field : tables.head_options) {
    const std::string comment = wrapped(comment_of(field), "  /// ", "  /// ", kWidth);
    if (field.kind == FieldKind::setting)
      members += fmt::format("{}\n  {} {} = 0;\n", comment, c_type(field.type), field.name);
    if (field.kind == FieldKind::array)
      members += fmt::format("{}\n  const void* {} = nullptr;\n  std::optional<DType> {}_dtype;\n", comment,
                             field.name, field.name);
  }
  return fmt::format(
      "/// What a head does to all of its logits; zero and null mean not at all. Arrays are memory of the "
      "head's\n/// device, borrowed like its weights; a head has those whose types are set.\n"
      "struct HeadSettings {{\n{}\n"
      "  bool operator==(const HeadSettings&) const = default;\n}};\n",
      members);
}

std::string cpp_setting_members(const Tables& tables) {
  std::string scalars, arrays;
  int scalar_count = 0, array_count = 0;
  for (const Field& field : tables.head_options) {
    if (field.kind == FieldKind::setting) {
      ++scalar_count;
      scalars += fmt::format("    ScalarSetting{{\"{}\", &HeadSettings::{}}},\n", field.name, field.name);
    }
    if (field.kind == FieldKind::array) {
      ++array_count;
      arrays += fmt::format("    ArraySetting{{\"{}\", &HeadSettings::{}, &HeadSettings::{}_dtype}},\n",
                            field.name, field.name, field.name);
    }
  }
  return fmt::format(
      "constexpr std::array<ScalarSetting, {}> kScalarSettings = {{\n{}}};\n"
      "constexpr std::array<ArraySetting, {}> kArraySettings = {{\n{}}};\n",
      scalar_count, scalars, array_count, arrays);
}

std::string cpp_enumerations(const Tables& tables) {
  std::string status, features, all;
  for (const head::StatusBit& bit : tables.status_bits)
    status += fmt::format("  status_{} = {},  ///< {}\n", bit.name, bit.bit, status_text(bit));
  for (const head::FeatureBit& bit : tables.features) {
    features += fmt::format("  feature_{} = {},  ///< {}\n", bit.name, bit.bit, bit.text);
    all += fmt::format("{}feature_{}", all.empty() ? "" : " | ", bit.name);
  }
  return fmt::format(
      "/// Bits of a row's `status` word.\n"
      "enum StatusBits : uint32_t {{\n{}}};\n\n"
      "/// What a launch may ask for beyond a token and its status; bits of a set. A kernel that is prepared "
      "for more\n"
      "/// than a launch asks for gives the same tokens, at most slower.\n"
      "using Features = uint64_t;\n"
      "enum Feature : Features {{\n{}}};\n"
      "inline constexpr Features kNoFeatures = 0;\n"
      "inline constexpr Features kAllFeatures = {};\n",
      status, features, all);
}

std::string docs_inputs(const Tables& tables) {
  return "| input | type | shape | |\n|---|---|---|---|\n" + docs_rows(tables, FieldKind::input);
}

std::string docs_outputs(const Tables& tables) {
  return "| output | type | shape | |\n|---|---|---|---|\n" + docs_rows(tables, FieldKind::output);
}

std::string docs_settings(const Tables& tables) {
  std::string text = "| option | what it does | a model's file has it as |\n|---|---|---|\n";
  for (const Field& field : tables.head_options) {
    if (field.kind != FieldKind::setting && field.kind != FieldKind::array) continue;
    std::vector<std::string> sources;
    if (!field.tensor.empty()) sources.push_back(fmt::format("the tensor `lm_head.{}`", field.tensor));
    if (field.kind == FieldKind::setting)
      for (const head::ConfigMember& member : field.config)
        if (!member.name.empty())
          sources.push_back(fmt::format("`{}`{}", member.name, member.reciprocal ? ", one over it" : ""));
    text += fmt::format("| `{}` | {} | {} |\n", field.name, joined_lines(field.text),
                        sources.empty() ? "-" : fmt::format("{}", fmt::join(sources, "; ")));
  }
  return text;
}

std::string docs_status(const Tables& tables) {
  std::string text = "| bit of `status` | when | the row fails |\n|---|---|---|\n";
  for (const head::StatusBit& bit : tables.status_bits)
    text += fmt::format("| `{}` ({}) | {} | {} |\n", bit.name, bit.bit, bit.text, bit.fails ? "yes" : "no");
  return text;
}

std::string with_lines(const std::string& text, std::string_view begin, std::string_view end,
                       const std::string& content) {
  std::string result;
  size_t done = 0;
  const auto line_with = [&](std::string_view part, size_t from) {
    const size_t at = text.find(part, from);
    if (at == std::string::npos)
      throw Error(ErrorCode::bad_data, fmt::format("there is no line with '{}'", part));
    return at;
  };
  do {
    const size_t first = text.find('\n', line_with(begin, done)) + 1;
    const size_t last = text.rfind('\n', line_with(end, first)) + 1;
    result += text.substr(done, first - done) + content;
    done = last;
  } while (text.find(begin, done) != std::string::npos);
  return result + text.substr(done);
}

std::string with_section(const std::string& text, std::string_view section, const std::string& content) {
  return with_lines(text, fmt::format("BEGIN generated: {}", section),
                    fmt::format("END generated: {}", section), content);
}

}  // namespace gumtile::fields
