#include "stored_dtype.h"

#include <algorithm>
#include <vector>

#include "support/format.h"

namespace gumtile::io {
namespace {

// The reference implementation's list (safetensors/src/tensor.rs, enum Dtype). All must be known, as a file's
// layout is checked as a whole even if only one tensor is read.
const std::vector<StoredDType>& table() {
  static const std::vector<StoredDType> rows = [] {
    std::vector<StoredDType> all = {
        {"BOOL", 8, std::nullopt},        {"F4", 4, std::nullopt},          {"F6_E2M3", 6, std::nullopt},
        {"F6_E3M2", 6, std::nullopt},     {"U8", 8, std::nullopt},          {"I8", 8, std::nullopt},
        {"F8_E5M2", 8, std::nullopt},     {"F8_E4M3", 8, std::nullopt},     {"F8_E8M0", 8, std::nullopt},
        {"F8_E4M3FNUZ", 8, std::nullopt}, {"F8_E5M2FNUZ", 8, std::nullopt}, {"I16", 16, std::nullopt},
        {"U16", 16, std::nullopt},        {"F16", 16, std::nullopt},        {"BF16", 16, std::nullopt},
        {"I32", 32, std::nullopt},        {"U32", 32, std::nullopt},        {"F32", 32, std::nullopt},
        {"C64", 64, std::nullopt},        {"F64", 64, std::nullopt},        {"I64", 64, std::nullopt},
        {"U64", 64, std::nullopt},
    };
    for (const Format& format : formats()) {
      const auto row = std::ranges::find(all, format.safetensors, &StoredDType::name);
      if (row != all.end())
        row->dtype = format.dtype;
      else
        all.push_back({format.safetensors,
                       static_cast<unsigned>(8 * format.block_bytes / format.block_elements), format.dtype});
    }
    return all;
  }();
  return rows;
}

}  // namespace

std::string readable_dtypes() { return matrix_format_names("and", &Format::safetensors); }

const StoredDType* find_stored_dtype(std::string_view name) {
  const auto row = std::ranges::find(table(), name, &StoredDType::name);
  return row == table().end() ? nullptr : &*row;
}

const StoredDType& stored_dtype(DType dtype) {
  return *std::ranges::find(table(), std::optional(dtype), &StoredDType::dtype);
}

}  // namespace gumtile::io
