#include "support/quotes.h"

#include <fmt/format.h>

#include <algorithm>

namespace gumtile {

std::string in_quotes(std::string_view text) {
  constexpr size_t kLongest = 1000;
  std::string out = "'";
  for (const char c : text.substr(0, kLongest)) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f)
      out += fmt::format("\\x{:02x}", byte);
    else
      out += c;
  }
  out += text.size() > kLongest ? "…'" : "'";
  return out;
}

std::string quoted_list(const std::vector<std::string>& names) {
  constexpr size_t kMost = 8;
  std::string out;
  for (size_t i = 0; i < std::min(names.size(), kMost); ++i)
    out += fmt::format("{}{}", i == 0 ? "" : ", ", in_quotes(names[i]));
  if (names.size() > kMost) out += fmt::format(" and {} more", names.size() - kMost);
  return out;
}

}  // namespace gumtile
