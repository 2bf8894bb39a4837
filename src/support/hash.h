#pragma once

#include <string>
#include <string_view>

namespace gumtile {

/// 32 hex digits of XXH3-128, big-endian (canonical) form: the same on every machine.
std::string hash_hex(std::string_view bytes);

}  // namespace gumtile
