#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "gumtile/dtype.h"
#include "gumtile/program.h"

/// The meaning of every elementwise op on the bits of scalars. The interpreter computes it, and every backend
/// must agree with it.
namespace gumtile::scalar {

inline float as_float(uint64_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits)); }
inline uint64_t from_float(float value) { return std::bit_cast<uint32_t>(value); }

/// Cuts `bits` to the width of `dtype`; 32-bit values are kept zero-extended.
inline uint64_t canonical(DType dtype, uint64_t bits) {
  if (dtype == DType::pred) return bits & 1;
  return size_bytes(dtype) == 8 ? bits : static_cast<uint32_t>(bits);
}

inline int64_t as_signed(DType dtype, uint64_t bits) {
  return dtype == DType::i32 ? static_cast<int32_t>(bits) : static_cast<int64_t>(bits);
}

template <typename Int>
uint64_t saturate(float value) {
  if (std::isnan(value)) return 0;
  constexpr auto lowest = std::numeric_limits<Int>::min();
  constexpr auto highest = std::numeric_limits<Int>::max();
  if (value <= static_cast<float>(lowest)) return static_cast<uint64_t>(lowest);
  if (value >= static_cast<float>(highest)) return static_cast<uint64_t>(highest);
  return static_cast<uint64_t>(static_cast<Int>(value));
}

inline uint64_t cast(DType from, DType to, uint64_t bits) {
  if (from == DType::f32) {
    const float value = as_float(bits);
    switch (to) {
      case DType::pred:
        return value != 0.0f;
      case DType::i32:
        return canonical(to, saturate<int32_t>(value));
      case DType::u32:
        return saturate<uint32_t>(value);
      case DType::i64:
        return saturate<int64_t>(value);
      case DType::u64:
        return saturate<uint64_t>(value);
      default:
        return bits;
    }
  }
  if (to == DType::f32)
    return from_float(is_signed_integer(from) ? static_cast<float>(as_signed(from, bits))
                                              : static_cast<float>(bits));
  if (to == DType::pred) return bits != 0;
  return canonical(to, is_signed_integer(from) ? static_cast<uint64_t>(as_signed(from, bits)) : bits);
}

/// One elementwise op. `type` is the type of operand 0 (of operand 1 for select), `result` the node's.
inline uint64_t evaluate(Op op, DType type, DType result, uint64_t a, uint64_t b, uint64_t c) {
  const bool floating = type == DType::f32;
  const bool is_signed = is_signed_integer(type);
  const float x = as_float(a);
  const float y = as_float(b);
  const uint64_t width = size_bytes(type) * 8;
  switch (op) {
    case Op::neg:
      return floating ? from_float(-x) : canonical(type, ~a + 1);
    case Op::abs:
      if (floating) return from_float(std::fabs(x));
      return as_signed(type, a) < 0 ? canonical(type, ~a + 1) : a;
    case Op::bit_not:
      return canonical(type, ~a);
    case Op::exp:
      return from_float(std::exp(x));
    case Op::log:
      return from_float(std::log(x));
    case Op::exp2:
      return from_float(std::exp2(x));
    case Op::log2:
      return from_float(std::log2(x));
    case Op::tanh:
      return from_float(std::tanh(x));
    case Op::rint:
      return from_float(std::nearbyint(x));
    case Op::floor:
      return from_float(std::floor(x));
    case Op::cast:
      return cast(type, result, a);
    case Op::bitcast:
      return a;
    case Op::add:
      return floating ? from_float(x + y) : canonical(type, a + b);
    case Op::sub:
      return floating ? from_float(x - y) : canonical(type, a - b);
    case Op::mul:
      return floating ? from_float(x * y) : canonical(type, a * b);
    case Op::div:
      return from_float(x / y);
    case Op::min:
      if (floating)
        return std::isnan(x) ? a : std::isnan(y) ? b : (x < y || (x == y && std::signbit(x))) ? a : b;
      if (is_signed) return as_signed(type, a) < as_signed(type, b) ? a : b;
      return std::min(a, b);
    case Op::max:
      if (floating)
        return std::isnan(x) ? a : std::isnan(y) ? b : (x > y || (x == y && !std::signbit(x))) ? a : b;
      if (is_signed) return as_signed(type, a) > as_signed(type, b) ? a : b;
      return std::max(a, b);
    case Op::bit_and:
      return a & b;
    case Op::bit_or:
      return a | b;
    case Op::bit_xor:
      return a ^ b;
    case Op::shl:
      return canonical(type, a << (b & (width - 1)));
    case Op::shr:
      if (is_signed) return canonical(type, static_cast<uint64_t>(as_signed(type, a) >> (b & (width - 1))));
      return a >> (b & (width - 1));
    case Op::mulhi:
      return (a * b) >> 32;
    case Op::eq:
      return floating ? x == y : a == b;
    case Op::ne:
      return floating ? x != y : a != b;
    case Op::lt:
      if (floating) return x < y;
      return is_signed ? as_signed(type, a) < as_signed(type, b) : a < b;
    case Op::le:
      if (floating) return x <= y;
      return is_signed ? as_signed(type, a) <= as_signed(type, b) : a <= b;
    case Op::select:
    case Op::branch:
      return a ? b : c;
    case Op::fma:
      return from_float(std::fma(x, y, as_float(c)));
    default:
      return 0;
  }
}

/// Philox4x32 (Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3", SC'11).
inline std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key,
                                      int rounds) {
  for (int round = 0; round < rounds; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53} * counter[0];
    const uint64_t p1 = uint64_t{0xCD9E8D57} * counter[2];
    counter = {static_cast<uint32_t>(p1 >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(p1),
               static_cast<uint32_t>(p0 >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(p0)};
    key[0] += 0x9E3779B9;
    key[1] += 0xBB67AE85;
  }
  return counter;
}

}  // namespace gumtile::scalar
