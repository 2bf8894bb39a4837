#include "support/format.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace gumtile {
namespace {

constexpr Format kFormats[] = {
#define X(id, kind, bytes, elements, c, safetensors, torch) \
  {DType::id, #id, FormatKind::kind, bytes, elements, c, safetensors, torch},
    GUMTILE_FORMATS(X)
#undef X
};

}  // namespace

std::span<const Format> formats() { return kFormats; }
const Format& format_of(DType dtype) { return kFormats[static_cast<size_t>(dtype)]; }

const std::vector<Format>& c_formats() {
  static const std::vector<Format> all = [] {
    std::vector<Format> found;
    std::ranges::copy_if(kFormats, std::back_inserter(found),
                         [](const Format& f) { return f.c_number != 0; });
    std::ranges::sort(found, {}, &Format::c_number);
    return found;
  }();
  return all;
}

const std::vector<Format>& matrix_formats() {
  static const std::vector<Format> floats = [] {
    std::vector<Format> found = c_formats();
    std::erase_if(found, [](const Format& f) { return f.kind != FormatKind::floating; });
    return found;
  }();
  return floats;
}

std::string matrix_format_names(std::string_view conjunction, std::string_view Format::*name) {
  const std::vector<Format>& all = matrix_formats();
  std::string text;
  for (size_t i = 0; i < all.size(); ++i) {
    if (i > 0 && i + 1 == all.size())
      text.append(" ").append(conjunction).append(" ");
    else if (i > 0)
      text.append(", ");
    text.append(all[i].*name);
  }
  return text;
}

size_t size_bytes(DType dtype) { return static_cast<size_t>(row_bytes(dtype, 1)); }
int64_t row_bytes(DType format, int64_t elements) {
  const Format& f = format_of(format);
  return (elements + f.block_elements - 1) / f.block_elements * f.block_bytes;
}
std::string_view name(DType dtype) { return format_of(dtype).name; }

std::optional<DType> parse_dtype(std::string_view text) {
  for (const Format& f : kFormats)
    if (f.name == text) return f.dtype;
  return std::nullopt;
}

bool is_float(DType dtype) { return format_of(dtype).kind == FormatKind::floating; }
bool is_signed_integer(DType dtype) { return format_of(dtype).kind == FormatKind::signed_integer; }
bool is_integer(DType dtype) {
  return is_signed_integer(dtype) || format_of(dtype).kind == FormatKind::unsigned_integer;
}
DType compute_type(DType dtype) { return is_float(dtype) ? DType::f32 : dtype; }

// ---- conversions of the narrow floats ----

float float_from_bits(DType format, uint32_t bits) {
  switch (format) {
    case DType::bf16:
      return bf16_to_float(static_cast<uint16_t>(bits));
    case DType::f16:
      return f16_to_float(static_cast<uint16_t>(bits));
    case DType::f32:
    case DType::pred:
    case DType::i32:
    case DType::u32:
    case DType::i64:
    case DType::u64:
      break;
  }
  return std::bit_cast<float>(bits);
}

uint32_t bits_from_float(DType format, float value) {
  switch (format) {
    case DType::bf16:
      return float_to_bf16(value);
    case DType::f16:
      return float_to_f16(value);
    case DType::f32:
    case DType::pred:
    case DType::i32:
    case DType::u32:
    case DType::i64:
    case DType::u64:
      break;
  }
  return std::bit_cast<uint32_t>(value);
}

float bf16_to_float(uint16_t bits) { return std::bit_cast<float>(uint32_t{bits} << 16); }

uint16_t float_to_bf16(float value) {
  uint32_t bits = std::bit_cast<uint32_t>(value);
  if (std::isnan(value)) return static_cast<uint16_t>((bits >> 16) | 0x40);
  bits += 0x7fff + ((bits >> 16) & 1);
  return static_cast<uint16_t>(bits >> 16);
}

float f16_to_float(uint16_t bits) {
  const uint32_t sign = uint32_t{bits & 0x8000u} << 16;
  const uint32_t exponent = (bits >> 10) & 0x1f;
  const uint32_t mantissa = bits & 0x3ff;
  if (exponent == 0x1f) return std::bit_cast<float>(sign | 0x7f800000u | (mantissa << 13));
  if (exponent == 0) {
    const float magnitude = std::ldexp(static_cast<float>(mantissa), -24);
    return sign ? -magnitude : magnitude;
  }
  return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
}

uint16_t float_to_f16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const auto sign = static_cast<uint16_t>((bits >> 16) & 0x8000u);
  const float magnitude = std::fabs(value);
  if (std::isnan(value)) return static_cast<uint16_t>(sign | 0x7e00u);
  if (magnitude >= 65520.0f) return static_cast<uint16_t>(sign | 0x7c00u);
  if (magnitude < 6.103515625e-05f)  // subnormal: in units of 2^-24, rounded to nearest even by nearbyint
    return static_cast<uint16_t>(sign | static_cast<uint16_t>(std::nearbyint(std::ldexp(magnitude, 24))));
  const uint32_t abs_bits = std::bit_cast<uint32_t>(magnitude);
  const uint32_t rounded = abs_bits + 0xfff + ((abs_bits >> 13) & 1);
  return static_cast<uint16_t>(sign | ((rounded - (112u << 23)) >> 13));
}

}  // namespace gumtile
