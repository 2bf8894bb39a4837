#pragma once

#include <cstddef>

namespace gumtile::cuda {

/// Bytes per second of a plain streaming read of `bytes` of device memory on device `ordinal`: the median of
/// several launches between events, each of which reads other bytes than the one before. The cost of the
/// launch is included, so that few bytes give a lower rate. Takes `bytes`, or 1 GiB if that is more, of
/// device memory while it runs. Throws Error. Thread safe.
double measure_read_bandwidth(int ordinal, size_t bytes);

}  // namespace gumtile::cuda
