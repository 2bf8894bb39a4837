#include "head/fields.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "gumtile/error.h"

namespace gumtile::head {
namespace {

using enum FieldKind;
using Type = FieldType;

// clang-format off
constexpr std::array kFields = {
    Field{member, "rows", Type::i64, Over::one, kRefused, "", 1, "",
          "rows of this launch"},
    Field{member, "flags", Type::u32, Over::one, absent(0), "", 1, "",
          "GUMTILE_SAMPLE_…"},
    Field{member, "reserved", Type::u32, Over::one, absent(0), "", 1, "",
          "0"},
    Field{input, "hidden_states", Type::hidden, Over::rows_hidden, kRefused, "", 1, "",
          "with hidden_index as many rows as it names"},
    Field{member, "hidden_row_stride", Type::i64, Over::one, absent(0), "", 1, "hidden_states",
          "elements; 0: hidden_size"},
    Field{input, "hidden_index", Type::i32, Over::rows, kOwnRow, "", 1, "",
          "the row of hidden_states that a row takes; null: its own; negative: zeros. Costs a\n"
          "kernel that copies the rows into the workspace: 4 us with 1 row, 9 with 64 and 14 with 256 of 4096\n"
          "elements on an H200"},
    Field{input, "row_slot", Type::i32, Over::rows, kOwnRow, "", 1, "",
          "the slot of the row's request; negative: the row is left out, its outputs are not written.\n"
          "Null: slot = row"},
    Field{input, "num_rows", Type::i32, Over::one, absent(0x7fffffff), "", 1, "",
          "rows from here on are left out. Null: all count"},
    Field{input, "temperature", Type::f32, Over::slots, absent(1), "", 1, "",
          "0, or anything below 1e-5, is greedy: the most likely token. Null: 1", {}, true},
    Field{input, "seed", Type::u64, Over::slots, absent(0), "", 1, "",
          "rows with the same seed and offset share their noise. Null: 0 for all"},
    Field{input, "offset", Type::u64, Over::rows, absent(0), "", 1, "",
          "the position in the request. Null: 0"},
    Field{input, "invalid_token", Type::i32, Over::one, absent(-1), "", 1, "",
          "the token of a failed row. Null: -1"},
    Field{output, "token", Type::token, Over::rows, kRefused, "", 1, "",
          "the sampled token; with token_position it goes where that says"},
    Field{input, "token_position", Type::i32, Over::rows, kOwnRow, "", 1, "",
          "where in `token` a row's token goes; negative: nowhere. Null: the row"},
    Field{output, "logprob", Type::f32, Over::rows, absent(0), "logprob", 1, "",
          "the token's log-probability. Null: not asked for"},
    Field{output, "status", Type::u32, Over::rows, absent(0), "", 1, "",
          "GUMTILE_STATUS_… bits. Null: not asked for"},
    Field{output, "any_status", Type::u32, Over::one, absent(0), "", 1, "",
          "all rows' bits. Null: not asked for"},
    Field{member, "workspace", Type::bytes, Over::one, kRefused, "", 1, "",
          "made ready by gumtile_head_workspace_init"},
    Field{member, "workspace_bytes", Type::size, Over::one, kRefused, "", 1, "workspace",
          "the same for every launch on a workspace"},
};

constexpr std::array kHeadOptions = {
    Field{member, "vocab_size", Type::i64, Over::one, kRefused, "", 1, "",
          "rows of the weights"},
    Field{member, "hidden_size", Type::i64, Over::one, kRefused, "", 1, "",
          "columns of the weights"},
    Field{member, "first_token", Type::i64, Over::one, absent(0), "", 1, "",
          "the token id of the weights' first row: heads over ranges of one vocabulary"},
    Field{member, "hidden_dtype", Type::dtype, Over::one, absent(0), "", 1, "",
          "{floats}; 0: as weights_dtype. Rounded to weights_dtype"},
    Field{member, "weights_dtype", Type::dtype, Over::one, absent(0), "", 1, "",
          "{floats}; 0: bf16"},
    Field{member, "token_dtype", Type::dtype, Over::one, absent(0), "", 1, "",
          "i32 or i64; 0: i32"},
    Field{member, "noise", Type::noise, Over::one, absent(0), "", 1, "",
          "how noise is drawn"},
    Field{member, "weights", Type::own, Over::vocab, kRefused, "", 1, "",
          "device memory [vocab_size, hidden_size], borrowed; bytes changed in place count from\n"
          "the next launch on"},
    Field{member, "weights_row_stride", Type::i64, Over::one, absent(0), "", 1, "weights",
          "elements; 0: hidden_size"},
    Field{member, "schedule", Type::text, Over::one, absent(0), "", 1, "",
          "for every batch size, instead of what was tuned; null: none"},
    Field{array, "bias", Type::own, Over::vocab, absent(0), "", 2, "",
          "added to the logits of all rows; null: none", {{{"lm_head_bias"}}}, false, "bias"},
    Field{member, "bias_dtype", Type::dtype, Over::one, absent(0), "", 2, "bias",
          "{floats}; 0: as weights_dtype"},
    Field{setting, "softcap", Type::f32, Over::one, absent(0), "", 2, "",
          "logits become softcap * tanh(logit / softcap), after the bias; 0: none",
          {{{"final_logit_softcapping"}}}, true},
    Field{setting, "logit_scale", Type::f32, Over::one, absent(0), "", 2, "",
          "a factor of the logits, after bias and softcap; 0: none",
          {{{"logit_scale"}, {"logits_scaling", true}}}},
};

constexpr std::array kStatusBits = {
    StatusBit{"nan_logit", 1, true, "a scaled logit is NaN"},
    StatusBit{"inf_logit", 2, false, "a scaled logit is +inf: the lowest such token was chosen"},
    StatusBit{"no_candidate", 4, true, "every scaled logit is -inf"},
    StatusBit{"bad_temperature", 8, true, "the temperature is negative, NaN or infinite"},
};

constexpr std::array kFeatureBits = {
    FeatureBit{"logprob", 1, "the token's log-probability"},
};
// clang-format on

template <typename Table>
constexpr auto find_in(const Table& table, std::string_view name) -> decltype(&table[0]) {
  const auto found =
      std::find_if(table.begin(), table.end(), [&](const auto& row) { return row.name == name; });
  return found == table.end() ? nullptr : &*found;
}

template <typename Table>
constexpr bool are_sound(const Table& table) {
  int since = 1;
  for (const Field& field : table) {
    if (field.since < since) return false;  // fields are appended
    since = field.since;
    if (!field.feature.empty() && find_in(kFeatureBits, field.feature) == nullptr) return false;
    if (!field.companion_of.empty() && find_in(table, field.companion_of) == nullptr) return false;
    // A shorter struct counts as having zeros for appended members.
    if (field.since > 1 && field.absent.kind == Absent::Kind::refused) return false;
  }
  return true;
}

/// What must hold for the tables. A table that violates it does not compile.
constexpr bool is_sound() {
  uint64_t seen = 0;
  for (const StatusBit& status : kStatusBits) {
    if ((status.bit & (status.bit - 1)) != 0 || (seen & status.bit) != 0) return false;
    seen |= status.bit;
  }
  seen = 0;
  for (const FeatureBit& feature : kFeatureBits) {
    if ((feature.bit & (feature.bit - 1)) != 0 || (seen & feature.bit) != 0) return false;
    seen |= feature.bit;
  }
  return are_sound(kFields) && are_sound(kHeadOptions);
}
static_assert(is_sound());

size_t member_bytes(const Field& field) {
  if (is_pointer(field)) return 8;
  switch (field.type) {
    case FieldType::i32:
    case FieldType::u32:
    case FieldType::f32:
    case FieldType::dtype:
    case FieldType::noise:
      return 4;
    default:
      return 8;
  }
}

constexpr std::string_view kNothing = "token";

}  // namespace

std::span<const Field> fields() { return kFields; }
const Field* find_field(std::string_view name) { return find_in(kFields, name); }

std::span<const Field> head_options() { return kHeadOptions; }
const Field* find_head_option(std::string_view name) { return find_in(kHeadOptions, name); }

std::span<const StatusBit> status_bits() { return kStatusBits; }
const StatusBit* find_status_bit(std::string_view name) { return find_in(kStatusBits, name); }

std::span<const FeatureBit> feature_bits() { return kFeatureBits; }
const FeatureBit* find_feature(std::string_view name) { return find_in(kFeatureBits, name); }

std::string feature_set_name(Features features) {
  std::vector<std::string_view> names;
  for (const FeatureBit& feature : kFeatureBits)
    if ((features & feature.bit) != 0) names.push_back(feature.name);
  return names.empty() ? std::string(kNothing) : fmt::format("{}", fmt::join(names, "+"));
}

std::optional<Features> parse_feature_set(std::string_view text) {
  if (text == kNothing) return kNoFeatures;
  Features features = 0;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find('+', begin), text.size());
    const FeatureBit* feature = find_feature(text.substr(begin, end - begin));
    if (feature == nullptr) return std::nullopt;
    features |= feature->bit;
    begin = end + 1;
  }
  return features;
}

bool is_pointer(const Field& field) {
  switch (field.kind) {
    case FieldKind::input:
    case FieldKind::output:
    case FieldKind::array:
      return true;
    case FieldKind::member:
    case FieldKind::setting:
      break;
  }
  return field.type == FieldType::bytes || field.type == FieldType::own || field.type == FieldType::text;
}

std::vector<size_t> member_offsets(std::span<const Field> members) {
  std::vector<size_t> all;
  size_t at = 8;  // struct_size
  for (const Field& field : members) {
    const size_t bytes = member_bytes(field);
    at = (at + bytes - 1) / bytes * bytes;
    all.push_back(at);
    at += bytes;
  }
  all.push_back((at + 7) / 8 * 8);
  return all;
}

DType element_type(const Field& field, const SamplingOptions& options) {
  switch (field.type) {
    case FieldType::hidden:
      return options.hidden_dtype;
    case FieldType::token:
      return options.token_dtype;
    case FieldType::i32:
      return DType::i32;
    case FieldType::u32:
      return DType::u32;
    case FieldType::i64:
      return DType::i64;
    case FieldType::u64:
      return DType::u64;
    case FieldType::f32:
      return DType::f32;
    default:
      break;
  }
  throw Error(ErrorCode::internal, fmt::format("field '{}' has no elements", field.name));
}

}  // namespace gumtile::head
