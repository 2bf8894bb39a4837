#pragma once

#include <memory>

#include "gumtile/kernel_source.h"
#include "gumtile/log.h"

namespace gumtile {

/// A KernelSource that compiles (LLVM in process) and remembers in memory what it compiled; `log` is for
/// warnings of `compile`. Thread safe.
std::unique_ptr<KernelSource> make_jit(Log log = {});

}  // namespace gumtile
