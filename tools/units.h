#pragma once

#include <fmt/format.h>

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

/// Quantities for people. JSON and CSV have exact numbers instead.
namespace gumtile::tools {

/// "1 row", "2 rows", "1 entry", "3 entries"; `plural` is needed if it is not `singular` with an s.
template <std::integral Count>
std::string count_text(Count count, std::string_view singular, std::string_view plural = {}) {
  if (count == 1) return fmt::format("1 {}", singular);
  return plural.empty() ? fmt::format("{} {}s", count, singular) : fmt::format("{} {}", count, plural);
}

/// Three digits and a unit: "4.52 µs", "12.3 ms", "1.70 s", "95 s".
std::string duration_text(double us);

/// "512 bytes", "1.5 KiB", "4.0 MiB", "139.8 GiB"
std::string bytes_text(uint64_t bytes);

/// The columns that a UTF-8 text takes on a terminal if each of its characters takes one.
size_t display_width(std::string_view text);

/// "a", "a or b", "a, b or c"
template <typename Range>
std::string joined(const Range& words, std::string_view last = "or") {
  std::string text;
  size_t left = words.size();
  for (const auto& word : words) {
    text += word;
    --left;
    if (left > 1) text += ", ";
    if (left == 1) text.append(" ").append(last).append(" ");
  }
  return text;
}

}  // namespace gumtile::tools
