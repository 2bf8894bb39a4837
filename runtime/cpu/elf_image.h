#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace gumtile::cpu {

/// Why the bytes cannot be a complete 64-bit shared object for this kind of machine; empty if they can. The
/// dynamic loader checks the rest, but maps a truncated file without complaint and then dies of SIGBUS.
std::string why_not_loadable(std::span<const std::byte> image);

}  // namespace gumtile::cpu
