#pragma once

#include <cstddef>

namespace gumtile::cuda {

/// Bytes a second of a plain streaming read of `bytes` of device memory on device `ordinal`, the best of
/// several passes between events. `bytes` should be many times the L2 cache. Takes that much device memory
/// while it runs. Throws Error. Thread safe.
double measure_read_bandwidth(int ordinal, size_t bytes);

}  // namespace gumtile::cuda
