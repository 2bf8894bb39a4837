#pragma once

#include <string>

#include "gumtile/target.h"

namespace gumtile::tools {

/// The cubin that NVIDIA's ptxas (`find_assembler`) makes of PTX. Throws Error(device_unavailable) where
/// there is none, Error(internal) with its own words where it fails.
std::string make_cubin(const std::string& ptx, const Target& target);

/// The machine code of PTX as text, by NVIDIA's ptxas and nvdisasm (or cuobjdump). Throws
/// Error(device_unavailable) naming a tool that is missing, Error(internal) with the tool's own words where
/// it fails.
std::string disassemble(const std::string& ptx, const Target& target);

}  // namespace gumtile::tools
