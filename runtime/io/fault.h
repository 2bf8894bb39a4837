#pragma once

#include <fmt/format.h>

#include <string>
#include <string_view>
#include <vector>

#include "gumtile/error.h"

namespace gumtile::io {

/// `text` in single quotes for a message. Names come from files, so control characters are escaped and long
/// text is cut: a message must not drive the reader's terminal or fill it.
std::string in_quotes(std::string_view text);

/// The first few of `names`, quoted, separated by commas.
std::string quoted_list(const std::vector<std::string>& names);

/// "[2, 3]".
std::string shape_text(const std::vector<int64_t>& shape);

/// Throws `bad_data` about `file`: expected, found, remedy.
template <typename... Args>
[[noreturn]] void bad_file(const std::string& file, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(ErrorCode::bad_data,
              fmt::format("{}: {}", in_quotes(file), fmt::vformat(format, fmt::make_format_args(args...))));
}

}  // namespace gumtile::io
