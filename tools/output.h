#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "tools/streams.h"

namespace gumtile::tools {

/// Keeps the order of its members.
using Json = nlohmann::ordered_json;

/// A word as a shell reads it back.
std::string shell_quoted(std::string_view word);

/// Cells of text; every row has as many as the header.
struct Table {
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;
};
std::string to_text(const Table& table);  ///< columns aligned on the right
std::string to_markdown(const Table& table);
std::string to_csv(const Table& table);  ///< RFC 4180

/// JSON as the command prints it: on several lines, or on one with an `indent` of -1; ends with a line break.
/// Always valid UTF-8: invalid bytes of paths, names and messages are replaced by U+FFFD.
std::string json_text(const Json& json, int indent = 2);

/// The names of a status word's bits (gumtile/programs.h).
std::vector<std::string> status_names(uint32_t status);

/// The shortest decimal that reads back as `value`; null for NaN and infinities, which JSON does not have.
Json number_or_null(float value);

/// `value` with `digits` decimals.
double rounded(double value, int digits);

/// `text` with every line indented; ends with a line break.
std::string indented(std::string_view text, int spaces);

}  // namespace gumtile::tools
