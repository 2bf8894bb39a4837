#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <vector>

#include "gumtile/error.h"
#include "support/quotes.h"

namespace gumtile::io {

/// "[2, 3]".
std::string shape_text(const std::vector<int64_t>& shape);

/// Throws `bad_data` about `file`: expected, found, remedy.
template <typename... Args>
[[noreturn]] void bad_file(const std::string& file, fmt::format_string<Args...> format, Args&&... args) {
  throw Error(ErrorCode::bad_data,
              fmt::format("{}: {}", in_quotes(file), fmt::vformat(format, fmt::make_format_args(args...))));
}

}  // namespace gumtile::io
