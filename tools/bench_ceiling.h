#pragma once

#include <memory>
#include <string>

#include "gumtile/engine.h"

namespace gumtile::tools {

/// The rate at which the engine's device reads memory, measured now:
/// - CPU: all threads fold a buffer of 1 GiB; the best pass.
/// - GPU: a plain kernel reads `bytes`, as many as the weights have; the median pass.
struct ReadCeiling {
  double bytes_per_second = 0;
  std::string method;
  double peak_bytes_per_second = 0;  ///< nominal memory clock x bus width; 0 if the driver does not say
};
ReadCeiling measure_read_ceiling(const std::shared_ptr<Engine>& engine, size_t bytes);

}  // namespace gumtile::tools
