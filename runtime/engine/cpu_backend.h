#pragma once

#include <memory>

#include "runtime/engine/backend.h"

namespace gumtile::engine {

/// The host's CPU, with a pool of `threads` threads of its own (0: all that the process may use). Throws
/// Error.
std::unique_ptr<Backend> open_cpu(int threads);

}  // namespace gumtile::engine
