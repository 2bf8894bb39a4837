#pragma once

#include <memory>
#include <string>

#include "gumtile/engine.h"

namespace gumtile::tools {

/// The rate at which the engine's device reads memory, measured now. How:
/// - CPU: all threads fold a buffer of 1 GiB; the best pass.
/// - GPU: a plain kernel reads `bytes`, as many as the weights have; the median pass.
struct ReadCeiling {
  double bytes_per_second = 0;
  std::string method;
  double peak_bytes_per_second = 0;  ///< memory clock x bus width on paper; 0 where the driver does not tell
};
ReadCeiling measure_read_ceiling(const std::shared_ptr<Engine>& engine, size_t bytes);

}  // namespace gumtile::tools
