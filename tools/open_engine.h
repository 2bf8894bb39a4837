#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "gumtile/engine.h"

namespace gumtile::tools {

/// An engine as applications open it: it compiles, keeps compiled kernels in the user's cache folder, uses
/// tuning records, and prints warnings on stderr. With a `pack` it has only that file's kernels and compiles
/// nothing. Throws Error.
std::shared_ptr<Engine> open_engine(const std::string& device, const std::string& pack = {});

inline double milliseconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace gumtile::tools
