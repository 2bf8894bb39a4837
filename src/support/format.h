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
  int c_number;  ///< of `gumtile_dtype`; 0: the C interface does not have it
  std::string_view safetensors;
  std::string_view torch;
};

/// All of them, in the order of the enumerators.
std::span<const Format> formats();
const Format& format_of(DType dtype);

/// Those that the C interface has, by their numbers there; and of these the floats, which matrices may have.
const std::vector<Format>& c_formats();
const std::vector<Format>& matrix_formats();

/// "bf16, f16 or f32": the names of those of matrices, `conjunction` before the last one.
std::string matrix_format_names(std::string_view conjunction, std::string_view Format::*name = &Format::name);

}  // namespace gumtile
