#pragma once

#include <string>

#include "gumtile/target.h"

namespace gumtile::tools {

/// The machine code of PTX as text, by NVIDIA's ptxas and nvdisasm (or cuobjdump) from PATH. Throws
/// Error(device_unavailable) naming a tool that is missing, Error(internal) with the tool's own words where
/// it fails.
std::string disassemble(const std::string& ptx, const Target& target);

}  // namespace gumtile::tools
