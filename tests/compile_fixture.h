#pragma once

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "gumtile/plan.h"
#include "gumtile/programs.h"

/// What the tests of the compiler share.
namespace gumtile::test {

inline constexpr NoiseScheme kSchemes[] = {NoiseScheme::per_token, NoiseScheme::grouped};

inline Program lm_head(NoiseScheme noise, bool logprob, DType dtype = DType::bf16) {
  return lm_head_sample({noise, dtype, dtype, logprob});
}

inline KernelPlan plan(const Program& program, const char* target, const char* schedule) {
  return make_plan(program, {151936, 4096, 64, 16}, Schedule::parse(schedule), Target::parse(target));
}

inline bool contains(const std::string& text, const char* part) {
  return text.find(part) != std::string::npos;
}

inline size_t count(const std::string& text, const std::string& part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + part.size())) ++found;
  return found;
}

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "gumtile-test-XXXXXX").string();
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

inline std::string read(const std::string& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

}  // namespace gumtile::test
