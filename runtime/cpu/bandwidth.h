#pragma once

#include <cstddef>

#include "runtime/cpu/thread_pool.h"

namespace gumtile::cpu {

/// Bytes per second that all workers of `pool` together read from memory: the best of several passes over a
/// buffer of `bytes`, divided among the workers, each of which touches its part first (so that it is in the
/// worker's NUMA node). Use many times the size of all caches, e.g. 1 GiB; smaller buffers measure the
/// caches. Takes the time of about 10 passes. Throws `Error` (usage) for less than a page per worker,
/// (device_unavailable) if there is no such memory.
double measure_read_bandwidth(ThreadPool& pool, size_t bytes);

}  // namespace gumtile::cpu
