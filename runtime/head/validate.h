#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gumtile/lm_head.h"

namespace gumtile::head {

/// What is wrong with the arrays of a call, one line per fault: alignment, memory that the device cannot
/// read, and on the CPU indices that are out of range. `slots`: the length of the arrays over slots.
std::vector<std::string> array_faults(const Engine& engine, const LmHeadOptions& options,
                                      const gumtile_sample_args& args, int64_t hidden_row_stride,
                                      size_t slots);

}  // namespace gumtile::head
