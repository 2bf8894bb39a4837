#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "gumtile/tensor_file.h"

namespace gumtile::io {

/// A whole regular file, mapped read-only.
class MappedFile {
 public:
  /// Throws `io` if `path` is missing, unreadable or not a regular file.
  static std::shared_ptr<const MappedFile> open(const std::string& path);

  ~MappedFile();
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  const std::string& path() const { return path_; }
  std::span<const std::byte> bytes() const { return {data_, size_}; }
  std::string_view text() const { return {reinterpret_cast<const char*>(data_), size_}; }

 private:
  MappedFile(std::string path, const std::byte* data, size_t size)
      : path_(std::move(path)), data_(data), size_(size) {}

  std::string path_;
  const std::byte* data_;
  size_t size_;
};

/// The tensor whose data, already checked to be within `file`, is `data`.
TensorFile tensor_in(const std::shared_ptr<const MappedFile>& file, std::string name, DType dtype,
                     std::vector<int64_t> shape, std::span<const std::byte> data);

}  // namespace gumtile::io
