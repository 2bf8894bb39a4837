#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace gumtile::io {

/// Parses JSON that must be one object without duplicate keys at any level, nested at most a few levels, and
/// fill the whole text. Throws `bad_data`; `what` names the text within `file`, e.g. "the header".
nlohmann::json parse_strict_json(std::string_view text, const std::string& file, std::string_view what);

/// The same for text that Python's json module wrote: its NaN, Infinity and -Infinity, which JSON does not
/// have, become strings of these names.
nlohmann::json parse_python_json(std::string_view text, const std::string& file, std::string_view what);

}  // namespace gumtile::io
