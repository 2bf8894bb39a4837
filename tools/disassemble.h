#pragma once

#include <string>

#include "gumtile/target.h"

namespace gumtile::tools {

/// Assembles PTX into a cubin with NVIDIA's ptxas (`find_assembler`). Throws Error(device_unavailable) if
/// there is none, Error(internal) with its own messages if it fails.
std::string make_cubin(const std::string& ptx, const Target& target);

/// The machine code of PTX as text, by NVIDIA's ptxas and nvdisasm (or cuobjdump). Throws
/// Error(device_unavailable) naming a missing tool, Error(internal) with the tool's own messages if it fails.
std::string disassemble(const std::string& ptx, const Target& target);

}  // namespace gumtile::tools
