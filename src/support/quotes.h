#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace gumtile {

/// `text` in single quotes for a message. Names may come from files, so control characters are escaped and
/// long text is cut: a message must not control the reader's terminal or flood it.
std::string in_quotes(std::string_view text);

/// The first few of `names`, quoted and separated by commas.
std::string quoted_list(const std::vector<std::string>& names);

}  // namespace gumtile
