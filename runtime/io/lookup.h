#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gumtile::io {

/// Throws `bad_data` that `file` has no tensor `name`, with the most similar names of `names`.
[[noreturn]] void no_such_tensor(std::string_view name, const std::vector<std::string>& names,
                                 const std::string& file);

/// The only one of `matrices`, those of `file`; throws `bad_data` unless there is exactly one.
std::string only_matrix(const std::vector<std::string>& matrices, const std::string& file);

}  // namespace gumtile::io
