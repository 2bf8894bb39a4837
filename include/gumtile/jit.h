#pragma once

#include <memory>

#include "gumtile/kernel_source.h"

namespace gumtile {

/// A KernelSource that compiles (LLVM in process) and remembers in memory what it compiled. Thread safe.
std::unique_ptr<KernelSource> make_jit();

}  // namespace gumtile
