#pragma once

#include <cstddef>

#include "runtime/cpu/thread_pool.h"

namespace gumtile::cpu {

/// Bytes per second that all workers of `pool` together read from memory: the best of several passes over a
/// buffer of `bytes`, divided among the workers, each of which touches its part first (so that it lies in the
/// worker's NUMA node). Ask for many times the size of all caches, e.g. 1 GiB; smaller buffers measure the
/// caches. Takes about 10 passes' time. Throws `Error` (usage) for less than a page per worker,
/// (device_unavailable) if there is no such memory.
double measure_read_bandwidth(ThreadPool& pool, size_t bytes);

}  // namespace gumtile::cpu
