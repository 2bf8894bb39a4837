#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "gumtile/dtype.h"
#include "gumtile/head_program.h"

/// The table of what a sampling call takes and returns. Each field is described here, once. The C struct,
/// Python's signatures, the command's options and the tables in the docs are generated from it; bindings,
/// feature sets and checks are loops over it.
namespace gumtile::head {

enum class FieldKind : uint8_t {
  member,   ///< used by the host only: a count, a stride, a flag word
  input,    ///< a call's pointer that the kernel reads
  output,   ///< a call's pointer that the kernel writes
  setting,  ///< a head's number that is compiled in
  array,    ///< a head's pointer that the kernel reads at every launch
};

/// The type of an element. `hidden` and `token` depend on the head; for `own` another member says it. The
/// types from `size` on occur only in the host's structs.
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

/// A member of a model's config.json that gives the value of a setting.
struct ConfigMember {
  std::string_view name;
  bool reciprocal = false;  ///< the setting is its reciprocal
};

/// The value that a kernel uses for an input that is not bound.
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
  /// The feature that a launch needs in order to bind this field; empty: every kernel has it.
  std::string_view feature;
  /// The first version of the argument struct that has the field. For fields added after version 1, zero or
  /// null means absent, since shorter structs are accepted.
  int since = 1;
  /// The field whose stride, length or type this member gives; empty: it stands alone.
  std::string_view companion_of;
  /// The description in the header, Python's help and the docs. It may have several lines. In a member's
  /// description "{floats}" stands for the names of the types that matrices may have.
  std::string_view text;
  /// The members of config.json that give a head's setting (the first one that is present counts), or that
  /// say that a head's array exists.
  std::array<ConfigMember, 2> config = {};
  /// For a number: values below zero are invalid.
  bool non_negative = false;
  /// For a head's array: its name in a model's file, in place of the head's "weight", e.g. "bias".
  std::string_view tensor = {};
};

/// What a sampling call takes and returns, in the order of gumtile_sample_args. New fields are appended.
std::span<const Field> fields();
/// Null if there is no such field.
const Field* find_field(std::string_view name);

/// The options of a head, in the order of gumtile_head_options. New ones are appended.
std::span<const Field> head_options();
const Field* find_head_option(std::string_view name);

/// A bit of a row's status word. New ones are appended.
struct StatusBit {
  std::string_view name;
  uint32_t bit;
  bool fails;  ///< the row gets `invalid_token`
  std::string_view text;
};
std::span<const StatusBit> status_bits();
const StatusBit* find_status_bit(std::string_view name);

/// What a launch may request beyond tokens and their status.
struct FeatureBit {
  std::string_view name;
  Features bit;
  std::string_view text;
};
std::span<const FeatureBit> feature_bits();
const FeatureBit* find_feature(std::string_view name);

/// The names of a set's features in the table's order, joined by '+'; "token" for the empty set.
std::string feature_set_name(Features features);
/// The inverse; empty if `text` is not the name of a set.
std::optional<Features> parse_feature_set(std::string_view text);

/// The offset of each member in a C struct that begins with struct_size, in bytes on a 64-bit machine; the
/// last element is the size of the struct.
std::vector<size_t> member_offsets(std::span<const Field> members);
/// Whether a member is a pointer.
bool is_pointer(const Field& field);

/// The type of a field's elements for a head with these options. Throws Error(internal) if the field has no
/// elements.
DType element_type(const Field& field, const SamplingOptions& options);

}  // namespace gumtile::head
