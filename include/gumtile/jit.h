#pragma once

#include <memory>

#include "gumtile/kernel_source.h"
#include "gumtile/log.h"

namespace gumtile {

/// A KernelSource that compiles (LLVM in process) and keeps compiled kernels in memory; `log` is for warnings
/// of `compile`. Thread safe.
std::unique_ptr<KernelSource> make_jit(Log log = {});

}  // namespace gumtile
