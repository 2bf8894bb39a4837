#pragma once

#include <string>
#include <vector>

#include "runtime/cpu/cpu_info.h"

namespace gumtile::pack {

/// The variants of "host" in a pack, as Target::cpu has them, each better than the one before it.
const std::vector<std::string>& host_variants();

/// Those that a processor can run, the best first. Every feature of a level must be there, and the operating
/// system must save its registers.
std::vector<std::string> runnable_variants(const cpu::CpuInfo& info);

}  // namespace gumtile::pack
