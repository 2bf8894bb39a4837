#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/cuda/driver.h"

namespace gumtile::cuda {

/// The options that make the driver's PTX compiler write its logs into our buffers, and those buffers. Do not
/// move it (the driver holds pointers into it) until the call or link that it was given to is over.
class JitLog {
 public:
  JitLog();
  JitLog(const JitLog&) = delete;
  JitLog& operator=(const JitLog&) = delete;

  unsigned option_count() const { return static_cast<unsigned>(options_.size()); }
  CUjit_option* options() { return options_.data(); }
  void** option_values() { return values_.data(); }

  std::string info() const;
  std::string error() const;

  /// Throws as `cuda::throw_error` does, with the logs as notes.
  [[noreturn]] void throw_error(const Driver& driver, CUresult result, std::string_view what) const;

 private:
  std::vector<char> info_;
  std::vector<char> error_;
  std::vector<CUjit_option> options_;
  std::vector<void*> values_;
};

}  // namespace gumtile::cuda
