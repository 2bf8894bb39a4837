#pragma once

#include <cstdint>
#include <memory>

#include "gumtile/dtype.h"
#include "gumtile/engine.h"
#include "tools/device_array.h"

namespace gumtile::tools {

/// `count` pseudo-random elements in the device's memory, close to normally distributed with standard
/// deviation `scale`. The same numbers on every machine: element i depends only on `stream` and i.
DeviceArray synthetic_array(const std::shared_ptr<Engine>& engine, int64_t count, DType dtype,
                            uint64_t stream, float scale);

}  // namespace gumtile::tools
