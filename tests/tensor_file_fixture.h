#pragma once

#include <doctest/doctest.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <sstream>
#include <string>
#include <vector>

#include "gumtile/error.h"
#include "gumtile/tensor_file.h"

/// Files of weights and hidden states for tests.
namespace gumtile::test {

namespace fs = std::filesystem;

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (fs::temp_directory_path() / "gumtile-io-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = fs::canonical(name);
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }
  std::string path() const { return path_.string(); }

 private:
  fs::path path_;
};

inline void write_file(const std::string& path, const std::string& bytes) {
  fs::create_directories(fs::path(path).parent_path());
  std::ofstream out(path, std::ios::binary);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  REQUIRE(out.good());
}

inline std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << in.rdbuf();
  return bytes.str();
}

inline std::string little_endian(uint64_t value, size_t bytes) {
  return std::string(reinterpret_cast<const char*>(&value), bytes);
}

inline std::string safetensors(const std::string& header, size_t data_bytes) {
  std::string data(data_bytes, '\0');
  std::iota(data.begin(), data.end(), '\0');
  return little_endian(header.size(), 8) + header + data;
}

inline std::string npy(const std::string& header, size_t data_bytes, int major = 1) {
  return "\x93NUMPY" + std::string{static_cast<char>(major), '\0'} +
         little_endian(header.size(), major == 1 ? 2 : 4) + header + std::string(data_bytes, '\1');
}

inline std::string npy_dict(const std::string& descr, const std::string& shape,
                            const std::string& fortran = "False") {
  return "{'descr': '" + descr + "', 'fortran_order': " + fortran + ", 'shape': " + shape + ", }   \n";
}

/// Checks that `call` throws `code` with every one of `parts` in the message.
template <typename Call>
inline void check_error(ErrorCode code, const std::vector<std::string>& parts, Call&& call) {
  try {
    call();
    FAIL_CHECK("expected an error");
  } catch (const Error& error) {
    const std::string message = error.what();
    CAPTURE(message);
    CHECK(error.code() == code);
    for (const std::string& part : parts) {
      CAPTURE(part);
      CHECK(message.find(part) != std::string::npos);
    }
  }
}

inline std::span<const std::byte> bytes_of(const std::vector<float>& values) {
  return std::as_bytes(std::span(values));
}

inline NamedTensor matrix(const std::string& name, const std::vector<float>& values) {
  return {name, DType::f32, {1, static_cast<int64_t>(values.size())}, bytes_of(values)};
}

inline void write_matrices(const std::string& path, const std::vector<std::string>& names) {
  static const std::vector<float> values = {1.0f, 2.0f};
  std::vector<NamedTensor> tensors;
  for (const std::string& name : names) tensors.push_back(matrix(name, values));
  write_safetensors(path, tensors);
}

inline float first_float(const TensorFile& file) {
  float value = 0;
  std::memcpy(&value, file.view().data, sizeof value);
  return value;
}

}  // namespace gumtile::test
