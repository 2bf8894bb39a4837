#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gumtile/dtype.h"

namespace gumtile {

enum class FormatKind : uint8_t { logical, signed_integer, unsigned_integer, floating };

/// A row of the table of formats.
struct Format {
  DType dtype;
  std::string_view name;
  FormatKind kind;
  int block_bytes;
  int block_elements;
  int c_number;  ///< in `gumtile_dtype`; 0: not in the C interface
  std::string_view safetensors;
  std::string_view torch;
};

/// All formats, in the order of the enumerators.
std::span<const Format> formats();
const Format& format_of(DType dtype);

/// The formats in the C interface, in the order of their numbers there; and the floats among them, which are
/// the formats that matrices may have.
const std::vector<Format>& c_formats();
const std::vector<Format>& matrix_formats();

/// The names of the formats of matrices, with `conjunction` before the last one: "bf16, f16 or f32".
std::string matrix_format_names(std::string_view conjunction, std::string_view Format::*name = &Format::name);

}  // namespace gumtile
