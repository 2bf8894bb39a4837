#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace gumtile {

/// The formats of elements: the enumerator, the kind (src/support/format.h), bytes and elements per block (a
/// format without blocks has blocks of one element), the number in the C interface (0: not part of it), and
/// the names in safetensors and torch.
/// To add a format, add a row here, its conversions in src/support/format.cpp, the code for them in
/// codegen/common/op_emitter.cpp and, if tensor cores multiply it, a row in src/plan/mma_atoms.cpp.
#define GUMTILE_FORMATS(X)                           \
  X(pred, logical, 1, 1, 0, "BOOL", "bool")          \
  X(i32, signed_integer, 4, 1, 4, "I32", "int32")    \
  X(u32, unsigned_integer, 4, 1, 0, "U32", "uint32") \
  X(i64, signed_integer, 8, 1, 5, "I64", "int64")    \
  X(u64, unsigned_integer, 8, 1, 0, "U64", "uint64") \
  X(f32, floating, 4, 1, 3, "F32", "float32")        \
  X(bf16, floating, 2, 1, 1, "BF16", "bfloat16")     \
  X(f16, floating, 2, 1, 2, "F16", "float16")

/// Element types. Floats narrower than `f32` are storage types of inputs and outputs: a load widens them to
/// `f32` and a store rounds to nearest even.
enum class DType : uint8_t {
#define X(id, ...) id,
  GUMTILE_FORMATS(X)
#undef X
};

/// Bytes of one stored element (`pred` is stored as one byte).
size_t size_bytes(DType dtype);

/// Bytes of `elements` adjacent elements, in whole blocks.
int64_t row_bytes(DType format, int64_t elements);

/// The name used in Program text and on the command line, e.g. "bf16".
std::string_view name(DType dtype);

/// The inverse of `name`; empty for an unknown name.
std::optional<DType> parse_dtype(std::string_view text);

bool is_float(DType dtype);
bool is_signed_integer(DType dtype);
bool is_integer(DType dtype);

/// The type a value of `dtype` has once loaded: f32 for all floats, otherwise the type itself.
DType compute_type(DType dtype);

/// Conversions between f32 and the stored bits of any float type: widening is exact, narrowing rounds to
/// nearest even.
float float_from_bits(DType format, uint32_t bits);
uint32_t bits_from_float(DType format, float value);

/// The same for the 16-bit floats.
float bf16_to_float(uint16_t bits);
float f16_to_float(uint16_t bits);
uint16_t float_to_bf16(float value);
uint16_t float_to_f16(float value);

}  // namespace gumtile
