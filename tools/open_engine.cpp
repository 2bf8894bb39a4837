#include "tools/open_engine.h"

#include <fmt/format.h>

#include <cstdio>
#include <string_view>

#include "gumtile/jit.h"

namespace gumtile::tools {

std::shared_ptr<Engine> open_engine(const std::string& device) {
  const Log log = [](LogLevel level, std::string_view message) {
    if (level == LogLevel::warning) fmt::print(stderr, "gumtile: {}\n", message);
  };
  return Engine::open(device, default_engine_options(make_jit(), log));
}

}  // namespace gumtile::tools
