#include "tools/open_engine.h"

#include <utility>

#include "gumtile/jit.h"
#include "gumtile/pack.h"
#include "tools/output.h"

namespace gumtile::tools {

std::shared_ptr<Engine> open_engine(const std::string& device, const std::string& pack) {
  const Log log = warnings_to_stderr();
  if (pack.empty()) return Engine::open(device, default_engine_options(make_jit(log), log));
  const std::shared_ptr<Pack> opened = open_pack(pack);
  EngineOptions options = default_engine_options(opened, log);
  options.tuning = load_tuning({opened}, {}, log);
  return Engine::open(device, std::move(options));
}

}  // namespace gumtile::tools
