#pragma once

#include <string_view>

#include "gumtile/artifact.h"
#include "gumtile/engine.h"
#include "gumtile/log.h"
#include "gumtile/plan.h"

// Messages of set-up at level info. Each function does nothing if `log` is empty.
namespace gumtile::engine {

/// The device that was opened.
void log_device(const Log& log, const DeviceDescription& device);

/// A kernel that the source compiled in `ms`.
void log_compiled(const Log& log, const KernelPlan& plan, const KernelArtifact& artifact, double ms);

/// A kernel that was loaded from `place`, "the cache" or "a pack". Level debug.
void log_taken(const Log& log, const KernelPlan& plan, std::string_view place);

}  // namespace gumtile::engine
