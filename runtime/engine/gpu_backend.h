#pragma once

#include <memory>

#include "runtime/cuda/device.h"
#include "runtime/engine/backend.h"

namespace gumtile::engine {

/// One GPU, through its primary context or, with `use_current_context`, the caller's current one. Throws
/// Error(device_unavailable) for a GPU older than sm_70 or one that cannot be initialised, Error(usage) if
/// the current context is of another device or there is none.
std::unique_ptr<Backend> open_gpu(const cuda::DeviceInfo& info, const EngineOptions& options);

}  // namespace gumtile::engine
