#include "tools/open_engine.h"

#include <fmt/format.h>

#include <cstdio>
#include <string_view>
#include <utility>

#include "gumtile/jit.h"
#include "gumtile/pack.h"

namespace gumtile::tools {

std::shared_ptr<Engine> open_engine(const std::string& device, const std::string& pack) {
  const Log log = [](LogLevel level, std::string_view message) {
    if (level == LogLevel::warning) fmt::print(stderr, "gumtile: {}\n", message);
  };
  if (pack.empty()) return Engine::open(device, default_engine_options(make_jit(), log));
  const std::shared_ptr<Pack> opened = open_pack(pack);
  EngineOptions options = default_engine_options(opened, log);
  options.tuning = load_tuning({opened}, {}, log);
  return Engine::open(device, std::move(options));
}

}  // namespace gumtile::tools
