#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gumtile::io {

/// Throws `bad_data` that `file` has no tensor `name`, with the names of `names` that are near it.
[[noreturn]] void no_such_tensor(std::string_view name, const std::vector<std::string>& names,
                                 const std::string& file);

/// The language model's head by its usual names, or the token embedding that it is tied to; empty if `names`
/// has none. Throws `bad_data` with the candidates if several fit equally, and if `file` is named as one
/// shard of several and has no head, as another shard may have it.
std::optional<std::string> find_head(const std::vector<std::string>& names, const std::string& file);

/// The head when names do not tell: the only one of `matrices`. Throws `bad_data` unless there is exactly
/// one.
std::string only_matrix(const std::vector<std::string>& matrices, const std::string& file);

}  // namespace gumtile::io
