#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gumtile/target.h"

namespace gumtile::assembler {

/// The names of the kernels in PTX (".entry NAME"), in their order.
std::vector<std::string> entries_of(std::string_view ptx);

/// Why the bytes cannot be a complete cubin for the target with these kernels; empty if they can. The
/// assembler may be any program, and a driver's own checks are few.
std::string why_not_cubin(std::string_view bytes, const Target& target, std::span<const std::string> entries);

}  // namespace gumtile::assembler
