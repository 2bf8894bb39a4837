#pragma once

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <string>

#include "gumtile/error.h"

namespace gumtile::capi {

/// More than any version of a struct will have: a larger struct_size is uninitialised, and so much must not
/// be read.
inline constexpr size_t kMaxStructSize = 4096;

/// Copies a size-prefixed struct of the caller, whose header may be older (fields that it lacks keep their
/// value in `known`) or newer (fields that we do not know must be zero). Returns false if it is neither.
template <typename Struct>
bool read_struct(const Struct* given, Struct& known) noexcept {
  constexpr size_t kSize = sizeof(Struct);
  const size_t size = given->struct_size;
  if (size < sizeof(size_t) || size > kMaxStructSize) return false;
  const auto* const bytes = reinterpret_cast<const char*>(given);
  for (size_t i = kSize; i < size; ++i)
    if (bytes[i] != 0) return false;
  std::memcpy(static_cast<void*>(&known), bytes, std::min(size, kSize));
  known.struct_size = kSize;
  return true;
}

/// As `read_struct`, for set-up calls. Throws Error(usage).
template <typename Struct>
Struct checked_struct(const Struct* given, Struct known, const char* name) {
  if (given == nullptr) return known;
  if (!read_struct(given, known))
    throw Error(ErrorCode::usage,
                std::string(name) +
                    ": struct_size is not set, or a field is set that this version of gumtile does "
                    "not know");
  return known;
}

/// Fills as much of the caller's struct as it has room for. Throws Error(usage).
template <typename Struct>
void write_struct(Struct values, Struct* out, const char* name) {
  if (out == nullptr || out->struct_size < sizeof(size_t) || out->struct_size > kMaxStructSize)
    throw Error(ErrorCode::usage, std::string(name) + ": it is null, or struct_size is not set");
  const size_t size = out->struct_size;
  values.struct_size = size;
  std::memcpy(static_cast<void*>(out), &values, std::min(size, sizeof(Struct)));
}

}  // namespace gumtile::capi
