#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "mapped_file.h"
#include "stored_dtype.h"

namespace gumtile::io {

/// One tensor of a header that has been checked: `begin` to `end` is within the file and matches type and
/// shape.
struct StoredTensor {
  const StoredDType* type;
  std::vector<int64_t> shape;
  uint64_t begin;  ///< in bytes from the start of the data
  uint64_t end;

  /// Whether it can be opened and has two dimensions.
  bool is_readable_matrix() const { return shape.size() == 2 && type->is_readable(); }
};

struct SafetensorsHeader {
  std::map<std::string, StoredTensor> tensors;
  uint64_t data_begin;  ///< in bytes from the start of the file

  std::vector<std::string> names() const;
};

/// Reads and checks the header of a file as a whole; throws `bad_data`.
SafetensorsHeader read_safetensors_header(const MappedFile& file);

/// The tensor `name`, which must be in `header`; throws `bad_data` if its dtype cannot be opened.
TensorFile tensor_of(const std::shared_ptr<const MappedFile>& file, const SafetensorsHeader& header,
                     const std::string& name);

}  // namespace gumtile::io
