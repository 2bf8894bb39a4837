#pragma once

#include <optional>
#include <string>

#include "gumtile/tensor_file.h"

namespace gumtile::io {

/// `open_lm_head` for a path of a .safetensors file, an index or a folder; without `tensor` the head is
/// looked up.
LmHeadFile open_lm_head_in(const std::string& path, const std::optional<std::string>& tensor);

}  // namespace gumtile::io
