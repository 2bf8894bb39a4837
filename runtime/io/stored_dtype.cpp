#include "stored_dtype.h"

#include <algorithm>
#include <iterator>

namespace gumtile::io {
namespace {

// The reference implementation's list (safetensors/src/tensor.rs, enum Dtype). All must be known, as a file's
// layout is checked as a whole even if only one tensor is read.
constexpr StoredDType kTable[] = {
    {"BOOL", 8, DType::pred},         {"F4", 4, std::nullopt},          {"F6_E2M3", 6, std::nullopt},
    {"F6_E3M2", 6, std::nullopt},     {"U8", 8, std::nullopt},          {"I8", 8, std::nullopt},
    {"F8_E5M2", 8, std::nullopt},     {"F8_E4M3", 8, std::nullopt},     {"F8_E8M0", 8, std::nullopt},
    {"F8_E4M3FNUZ", 8, std::nullopt}, {"F8_E5M2FNUZ", 8, std::nullopt}, {"I16", 16, std::nullopt},
    {"U16", 16, std::nullopt},        {"F16", 16, DType::f16},          {"BF16", 16, DType::bf16},
    {"I32", 32, DType::i32},          {"U32", 32, DType::u32},          {"F32", 32, DType::f32},
    {"C64", 64, std::nullopt},        {"F64", 64, std::nullopt},        {"I64", 64, DType::i64},
    {"U64", 64, DType::u64},
};

}  // namespace

const StoredDType* find_stored_dtype(std::string_view name) {
  const auto* row = std::ranges::find(kTable, name, &StoredDType::name);
  return row == std::end(kTable) ? nullptr : row;
}

const StoredDType& stored_dtype(DType dtype) {
  return *std::ranges::find(kTable, std::optional(dtype), &StoredDType::dtype);
}

}  // namespace gumtile::io
