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
  std::shared_ptr<KernelSource> source;
  if (pack.empty())
    source = make_jit();
  else
    source = open_pack(pack);
  return Engine::open(device, default_engine_options(std::move(source), log));
}

}  // namespace gumtile::tools
