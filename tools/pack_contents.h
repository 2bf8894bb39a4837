#pragma once

#include <string>

#include "gumtile/pack.h"
#include "tools/output.h"

namespace gumtile::tools {

/// What a pack holds, for people and for programs; `bytes`: the file's size.
std::string pack_text(const Pack& pack, const std::string& path, uint64_t bytes);
Json pack_json(const Pack& pack, const std::string& path, uint64_t bytes);

}  // namespace gumtile::tools
