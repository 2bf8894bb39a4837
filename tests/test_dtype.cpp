// Element types: names, and the 16-bit floats against their definition.
#include <doctest/doctest.h>

#include <array>
#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>

#include "gumtile/dtype.h"
#include "support/format.h"

namespace gumtile::test {
namespace {

constexpr std::array kAll{DType::pred, DType::i32, DType::u32,  DType::i64,
                          DType::u64,  DType::f32, DType::bf16, DType::f16};

TEST_CASE("names of types parse back") {
  for (DType dtype : kAll) CHECK(parse_dtype(name(dtype)) == dtype);
  for (const char* text : {"", "f64", "F32", "f32 ", "bf", "int32"})
    CHECK_FALSE(parse_dtype(text).has_value());
}

TEST_CASE("sizes and kinds") {
  const std::array<size_t, 8> bytes{1, 4, 4, 8, 8, 4, 2, 2};
  for (size_t i = 0; i < kAll.size(); ++i) {
    const DType dtype = kAll[i];
    INFO(std::string(name(dtype)));
    CHECK(size_bytes(dtype) == bytes[i]);
    CHECK(is_float(dtype) == (i >= 5));
    CHECK(is_integer(dtype) == (i >= 1 && i <= 4));
    CHECK(is_signed_integer(dtype) == (dtype == DType::i32 || dtype == DType::i64));
    CHECK(compute_type(dtype) == (is_float(dtype) ? DType::f32 : dtype));
  }
}

/// A 16-bit float format by its definition, in double.
struct Format {
  int mantissa_bits;
  int exponent_bits;
  float (*widen)(uint16_t);
  uint16_t (*narrow)(float);

  int bias() const { return (1 << (exponent_bits - 1)) - 1; }
  uint32_t exponent(uint16_t bits) const { return (bits >> mantissa_bits) & ((1u << exponent_bits) - 1); }
  uint32_t mantissa(uint16_t bits) const { return bits & ((1u << mantissa_bits) - 1); }
  bool special(uint16_t bits) const { return exponent(bits) == (1u << exponent_bits) - 1; }
  uint16_t infinity() const { return static_cast<uint16_t>(((1u << exponent_bits) - 1) << mantissa_bits); }
  double value(uint16_t bits) const {
    const int e = static_cast<int>(exponent(bits));
    const double m = std::ldexp(mantissa(bits), -mantissa_bits);
    const double magnitude = e == 0 ? std::ldexp(m, 1 - bias()) : std::ldexp(1 + m, e - bias());
    return bits & 0x8000 ? -magnitude : magnitude;
  }
};

const Format kFormats[] = {{7, 8, bf16_to_float, float_to_bf16}, {10, 5, f16_to_float, float_to_f16}};

TEST_CASE("every 16-bit float widens exactly and comes back") {
  for (const Format& f : kFormats) {
    int64_t wrong = 0;
    for (uint32_t i = 0; i < 0x10000; ++i) {
      const auto bits = static_cast<uint16_t>(i);
      const float wide = f.widen(bits);
      if (f.special(bits) && f.mantissa(bits) != 0) {
        const uint16_t back = f.narrow(wide);
        wrong += !std::isnan(wide) || !f.special(back) || f.mantissa(back) == 0 ||
                 (back & 0x8000) != (bits & 0x8000);
        continue;
      }
      const bool right = f.special(bits) ? std::isinf(wide) : static_cast<double>(wide) == f.value(bits);
      wrong += !right || std::signbit(wide) != ((bits & 0x8000) != 0) || f.narrow(wide) != bits;
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("every float format narrower than f32 has conversions of its own, there and back") {
  for (const gumtile::Format& format : formats()) {
    if (format.kind != FormatKind::floating || format.block_elements != 1 || format.block_bytes > 2) continue;
    INFO(std::string(format.name));
    CHECK(bits_from_float(format.dtype, 0.0f) == 0);
    CHECK(float_from_bits(format.dtype, bits_from_float(format.dtype, 1.0f)) == 1.0f);
    CHECK(float_from_bits(format.dtype, bits_from_float(format.dtype, -2.0f)) == -2.0f);
    int64_t wrong = 0;
    for (uint32_t bits = 0; bits < 1u << (8 * format.block_bytes); ++bits) {
      const float wide = float_from_bits(format.dtype, bits);
      const uint32_t back = bits_from_float(format.dtype, wide);
      wrong += std::isnan(wide) ? !std::isnan(float_from_bits(format.dtype, back)) : back != bits;
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("narrowing rounds to nearest, ties to even, at every boundary") {
  for (const Format& f : kFormats) {
    int64_t wrong = 0;
    for (uint32_t i = 0; i + 1 < f.infinity(); ++i) {
      const auto low = static_cast<uint16_t>(i);
      const auto high = static_cast<uint16_t>(i + 1);
      const auto middle = static_cast<float>((f.value(low) + f.value(high)) / 2);
      for (uint16_t sign : {uint16_t{0}, uint16_t{0x8000}}) {
        auto narrow = [&](float x) { return f.narrow(sign ? -x : x); };
        auto expect = [&](uint16_t bits) { return static_cast<uint16_t>(bits | sign); };
        if (static_cast<double>(middle) * 2 ==
            f.value(low) + f.value(high))  // below f32's own subnormals there is no tie
          wrong += narrow(middle) != expect((low & 1) == 0 ? low : high);
        const float below = std::nextafterf(middle, 0.0f);
        const float above = std::nextafterf(middle, std::numeric_limits<float>::infinity());
        if (static_cast<double>(below) < (f.value(low) + f.value(high)) / 2 &&
            static_cast<double>(below) >= f.value(low))
          wrong += narrow(below) != expect(low);
        if (static_cast<double>(above) > (f.value(low) + f.value(high)) / 2 &&
            static_cast<double>(above) <= f.value(high))
          wrong += narrow(above) != expect(high);
      }
    }
    CHECK(wrong == 0);
  }
}

TEST_CASE("what is too large becomes infinite from half a unit past the largest") {
  CHECK(float_to_f16(65504.0f) == 0x7bff);
  CHECK(float_to_f16(std::nextafterf(65520.0f, 0.0f)) == 0x7bff);
  CHECK(float_to_f16(65520.0f) == 0x7c00);
  CHECK(float_to_f16(-65520.0f) == 0xfc00);
  CHECK(float_to_f16(1e30f) == 0x7c00);
  const float largest = bf16_to_float(0x7f7f);
  CHECK(float_to_bf16(std::bit_cast<float>(0x7f7f7fffu)) == 0x7f7f);
  CHECK(float_to_bf16(std::bit_cast<float>(0x7f7f8000u)) == 0x7f80);
  CHECK(float_to_bf16(std::numeric_limits<float>::max()) == 0x7f80);
  CHECK(float_to_bf16(-std::numeric_limits<float>::max()) == 0xff80);
  CHECK(float_to_bf16(largest) == 0x7f7f);
}

TEST_CASE("subnormals and zeros") {
  CHECK(float_to_f16(0x1p-24f) == 0x0001);
  CHECK(float_to_f16(0x1p-25f) == 0x0000);  // a tie, to even
  CHECK(float_to_f16(std::nextafterf(0x1p-25f, 1.0f)) == 0x0001);
  CHECK(float_to_f16(0x1.8p-24f) == 0x0002);
  CHECK(float_to_f16(std::nextafterf(0x1p-14f, 0.0f)) == 0x0400);  // rounds up into the normals
  CHECK(float_to_f16(-0.0f) == 0x8000);
  CHECK(float_to_f16(std::numeric_limits<float>::denorm_min()) == 0);
  CHECK(float_to_bf16(-0.0f) == 0x8000);
  CHECK(float_to_bf16(std::bit_cast<float>(0x00008000u)) == 0);  // a tie, to even
  CHECK(float_to_bf16(std::bit_cast<float>(0x00008001u)) == 1);
  CHECK(float_to_bf16(std::bit_cast<float>(0x00018000u)) == 2);
}

TEST_CASE("NaN stays NaN, however few of its bits survive") {
  for (uint32_t mantissa : {1u, 0x1fffu, 0x8000u, 0x400000u, 0x7fffffu})
    for (uint32_t sign : {0u, 0x80000000u}) {
      const auto nan = std::bit_cast<float>(sign | 0x7f800000u | mantissa);
      CHECK(std::isnan(bf16_to_float(float_to_bf16(nan))));
      CHECK(std::isnan(f16_to_float(float_to_f16(nan))));
      CHECK(std::signbit(bf16_to_float(float_to_bf16(nan))) == (sign != 0));
      CHECK(std::signbit(f16_to_float(float_to_f16(nan))) == (sign != 0));
    }
}

}  // namespace
}  // namespace gumtile::test
