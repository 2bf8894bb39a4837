#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "gumtile/pack.h"

/// Packs for tests: small, made once by the compiler.
namespace gumtile::test {

inline constexpr int64_t kPackVocab = 1003;
inline constexpr int64_t kPackHidden = 72;

/// For the host's variants, both feature sets, batches up to 8.
PackRequest host_request();

/// The pack of a request, as bytes. With `cubin` each PTX also has a "cubin" of these bytes.
std::string make_pack(const PackRequest& request, const std::string& cubin = {});

/// A file that is removed at the end of the scope.
class TestFile {
 public:
  explicit TestFile(const std::string& bytes);
  ~TestFile();
  TestFile(const TestFile&) = delete;
  TestFile& operator=(const TestFile&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace gumtile::test
