#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace gumtile::tools {

/// `count` seeds from the operating system's source of random numbers. They are below 2^53, so that every
/// reader of JSON reads them exactly. Throws Error(io) if the system gives none.
std::vector<uint64_t> draw_seeds(size_t count);

}  // namespace gumtile::tools
