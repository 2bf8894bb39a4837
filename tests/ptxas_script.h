#pragma once

#include <sys/stat.h>

#include <fstream>
#include <string>

#include "tests/cache_fixture.h"
#include "tests/cubin_fixture.h"

namespace gumtile::test {

/// A script that replaces ptxas, removed at the end of the scope. A file "cubin" for sm_90 is beside it. Its
/// arguments are: -arch=sm_90a, -o, the cubin, the PTX.
class PtxasScript {
 public:
  explicit PtxasScript(const std::string& lines) {
    std::ofstream(folder_ / "cubin", std::ios::binary) << some_cubin();
    std::ofstream(path()) << "#!/bin/sh\n" << lines << '\n';
    chmod(path().c_str(), 0700);
  }

  std::string folder() const { return folder_.path().string(); }
  std::string path() const { return (folder_ / "ptxas").string(); }

 private:
  TemporaryFolder folder_;
};

/// Writes that cubin, followed by the PTX.
constexpr const char* kCopies =
    R"([ "$1" = -arch=sm_90a ] && [ "$2" = -o ] && cat "$(dirname "$0")/cubin" "$4" > "$3")";

inline std::string copied(const std::string& ptx) { return some_cubin() + ptx; }

}  // namespace gumtile::test
