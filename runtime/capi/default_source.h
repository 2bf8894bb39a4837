#pragma once

#include <memory>

#include "gumtile/kernel_source.h"
#include "gumtile/log.h"

namespace gumtile::capi {

/// The source that compiles kernels in this library; null in the library without a compiler. Each library
/// links one definition.
std::shared_ptr<KernelSource> default_source(const Log& log);
extern const bool kHasCompiler;

}  // namespace gumtile::capi
