#pragma once

#include <cstddef>

namespace gumtile::cuda {

/// Bytes a second of a plain streaming read of `bytes` of device memory on device `ordinal`: the median of
/// several launches between events, each of other bytes than the one before. A launch's own cost counts, so
/// that few bytes give a lower rate. Takes `bytes`, or 1 GiB if that is more, of device memory while it runs.
/// Throws Error. Thread safe.
double measure_read_bandwidth(int ordinal, size_t bytes);

}  // namespace gumtile::cuda
