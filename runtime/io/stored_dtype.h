#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "gumtile/dtype.h"

namespace gumtile::io {

/// An element type of the safetensors format.
struct StoredDType {
  std::string_view name;       ///< as written in a header, e.g. "BF16"
  unsigned bits;               ///< of one element; packed without padding
  std::optional<DType> dtype;  ///< the same type here, if there is one

  /// Whether a tensor of it can be opened.
  bool is_readable() const { return dtype && is_float(*dtype); }
};

/// "BF16, F16 and F32": the types of tensors that can be opened.
std::string readable_dtypes();

/// Null for an unknown name. The result has static lifetime.
const StoredDType* find_stored_dtype(std::string_view name);

/// The format's type for `dtype`; every dtype has one.
const StoredDType& stored_dtype(DType dtype);

}  // namespace gumtile::io
