#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace gumtile {

/// Element types. `bf16` and `f16` are storage types of inputs and outputs: a load widens them to `f32` and a
/// store rounds to nearest even.
enum class DType : uint8_t { pred, i32, u32, i64, u64, f32, bf16, f16 };

/// Bytes of one stored element (`pred` is stored as one byte).
size_t size_bytes(DType dtype);

/// The name used in Program text and on the command line, e.g. "bf16".
std::string_view name(DType dtype);

/// The inverse of `name`; empty for an unknown name.
std::optional<DType> parse_dtype(std::string_view text);

bool is_float(DType dtype);
bool is_signed_integer(DType dtype);
bool is_integer(DType dtype);

/// The type a value of `dtype` has once loaded: f32 for bf16 and f16, else the type itself.
DType compute_type(DType dtype);

/// Exact widening and round-to-nearest-even narrowing of the 16-bit floats.
float bf16_to_float(uint16_t bits);
float f16_to_float(uint16_t bits);
uint16_t float_to_bf16(float value);
uint16_t float_to_f16(float value);

}  // namespace gumtile
