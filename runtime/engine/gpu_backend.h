#pragma once

#include <memory>

#include "runtime/cuda/device.h"
#include "runtime/engine/backend.h"

namespace gumtile::engine {

/// One GPU, through its primary context. Throws Error(device_unavailable) for a GPU older than sm_70 or one
/// that cannot be initialised.
std::unique_ptr<Backend> open_gpu(const cuda::DeviceInfo& info);

}  // namespace gumtile::engine
