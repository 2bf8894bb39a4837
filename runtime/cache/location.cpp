#include <cstdlib>

#include "gumtile/module_cache.h"

namespace gumtile {

std::filesystem::path default_cache_folder() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::filesystem::path(value == nullptr ? "" : value);
  };
  if (auto own = variable("GUMTILE_CACHE_DIR"); !own.empty()) return own;
  if (const auto xdg = variable("XDG_CACHE_HOME"); xdg.is_absolute()) return xdg / "gumtile";
  if (const auto home = variable("HOME"); home.is_absolute()) return home / ".cache" / "gumtile";
  return {};
}

}  // namespace gumtile
