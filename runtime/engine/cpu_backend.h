#pragma once

#include <memory>

#include "runtime/engine/backend.h"

namespace gumtile::engine {

/// The host's CPU, with a thread pool of its own. Throws Error.
std::unique_ptr<Backend> open_cpu();

}  // namespace gumtile::engine
