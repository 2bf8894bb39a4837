#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "gumtile/dtype.h"
#include "gumtile/head_program.h"

/// The table of what a sampling call takes and returns. What a person says of a field is said here, once; the
/// C struct, Python's signatures, the command's options and the tables in the docs are generated from it, and
/// bindings, feature sets and checks are loops over it.
namespace gumtile::head {

enum class FieldKind : uint8_t {
  member,   ///< for the host alone: a count, a stride, a flag word
  input,    ///< of a call: a pointer that the kernel reads
  output,   ///< of a call: a pointer that the kernel writes
  setting,  ///< of a head: a number that is compiled in
  array,    ///< of a head: a pointer that the kernel reads at every launch
};

/// An element's type; that of some is a matter of the head. Those from `size` on are of the host's structs
/// alone.
enum class FieldType : uint8_t {
  hidden,
  token,
  own,
  i32,
  u32,
  i64,
  u64,
  f32,
  size,
  bytes,
  text,
  dtype,
  noise
};

/// A member of a model's config.json that says what a setting is.
struct ConfigMember {
  std::string_view name;
  bool reciprocal = false;  ///< the setting is one over it
};

/// What a kernel takes for an input that is not bound.
struct Absent {
  enum class Kind : uint8_t {
    refused,  ///< it must be bound
    value,
    own_row,  ///< the row's number
  };
  Kind kind = Kind::refused;
  double value = 0;
};
constexpr Absent absent(double value) { return {Absent::Kind::value, value}; }
inline constexpr Absent kOwnRow{Absent::Kind::own_row, 0};
inline constexpr Absent kRefused{};

struct Field {
  FieldKind kind;
  std::string_view name;
  FieldType type;
  Over over = Over::one;
  Absent absent;
  /// The feature that a launch asks for by binding it; empty: every kernel has it.
  std::string_view feature;
  /// The version of the argument struct that has it first. Of later ones zero or null means absent: shorter
  /// structs are accepted.
  int since = 1;
  /// The field whose stride, length or type a member is; empty: it stands alone.
  std::string_view companion_of;
  /// For the header, Python's help and the docs; several lines are joined by line breaks.
  std::string_view text;
  /// The members of config.json that have a head's setting, the first of them that is there counts, or that
  /// say that there is a head's array.
  std::array<ConfigMember, 2> config = {};
  /// Of a number: what is below zero means nothing.
  bool non_negative = false;
  /// Of a head's array: what a model's file calls it in place of the head's "weight", e.g. "bias".
  std::string_view tensor = {};
};

/// What a sampling call takes and returns, in the order of gumtile_sample_args: new fields are appended.
std::span<const Field> fields();
/// Null if there is no such field.
const Field* find_field(std::string_view name);

/// What a head is made with, in the order of gumtile_head_options: new ones are appended.
std::span<const Field> head_options();
const Field* find_head_option(std::string_view name);

/// A bit of a row's status word. These, too, are appended.
struct StatusBit {
  std::string_view name;
  uint32_t bit;
  bool fails;  ///< the row gets `invalid_token`
  std::string_view text;
};
std::span<const StatusBit> status_bits();
const StatusBit* find_status_bit(std::string_view name);

/// What a launch may ask for beyond tokens and their status.
struct FeatureBit {
  std::string_view name;
  Features bit;
  std::string_view text;
};
std::span<const FeatureBit> feature_bits();
const FeatureBit* find_feature(std::string_view name);

/// The names of a set in the table's order, joined by '+'; "token" for the empty one.
std::string feature_set_name(Features features);
/// The inverse; empty for what no set is named.
std::optional<Features> parse_feature_set(std::string_view text);

/// Where each member lies in a C struct that begins with struct_size, in bytes on a 64-bit machine, and as
/// the last the size of the struct.
std::vector<size_t> member_offsets(std::span<const Field> members);
/// Whether a member is a pointer.
bool is_pointer(const Field& field);

/// The type of a field's elements for a head.
DType element_type(const Field& field, const SamplingOptions& options);

}  // namespace gumtile::head
