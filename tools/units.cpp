#include "tools/units.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace gumtile::tools {

std::string duration_text(double us) {
  if (us == 0) return "0 s";
  constexpr std::array<std::pair<const char*, double>, 3> kUnits = {{{"µs", 1}, {"ms", 1e3}, {"s", 1e6}}};
  for (const auto& [unit, size] : kUnits) {
    const double value = us / size;
    if (value >= 999.5 && size < 1e6) continue;
    const int decimals = value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
    return fmt::format("{:.{}f} {}", value, decimals, unit);
  }
  return {};
}

std::string bytes_text(uint64_t bytes) {
  if (bytes < 1024) return count_text(bytes, "byte");
  double value = static_cast<double>(bytes);
  const char* unit = "";
  for (const char* larger : {"KiB", "MiB", "GiB", "TiB"}) {
    if (value < 1023.95) break;
    value /= 1024;
    unit = larger;
  }
  return fmt::format("{:.1f} {}", value, unit);
}

size_t display_width(std::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U;  // all bytes but a character's later ones
  }));
}

}  // namespace gumtile::tools
