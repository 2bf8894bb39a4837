#pragma once

#include <span>
#include <string>
#include <string_view>

namespace gumtile::tools {

/// "; did you mean 'json'?" if `word` looks like a typing error for one of `known`, else nothing.
std::string did_you_mean(std::string_view word, std::span<const std::string> known);

}  // namespace gumtile::tools
