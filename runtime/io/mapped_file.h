#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gumtile/tensor_file.h"

namespace gumtile::io {

/// A whole regular file, mapped read-only, and open as long as it is mapped.
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

  /// Throws `io` if the file is shorter now than when it was opened.
  void expect_whole() const;

 private:
  MappedFile(std::string path, int descriptor, const std::byte* data, size_t size);

  std::string path_;
  std::string quoted_path_;  ///< for a signal handler, which cannot build it
  int descriptor_;
  const std::byte* data_;
  size_t size_;
  int mapping_ = -1;
};

/// The tensor whose data, already checked to be within `file`, is `data`.
TensorFile tensor_in(const std::shared_ptr<const MappedFile>& file, std::string name, DType dtype,
                     std::vector<int64_t> shape, std::span<const std::byte> data);

}  // namespace gumtile::io
