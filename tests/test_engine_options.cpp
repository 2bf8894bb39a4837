// What an engine has by default, and what it has if its options are spelled out.
#include <doctest/doctest.h>

#include <memory>

#include "gumtile/engine.h"
#include "gumtile/error.h"
#include "tests/environment.h"

namespace gumtile {
namespace {

class NoKernels : public KernelSource {
 public:
  KernelArtifact get(const KernelPlan& /*plan*/) override { throw Error(ErrorCode::usage, "none"); }
};

}  // namespace

TEST_CASE("an engine that is opened with a source alone keeps kernels and uses tuning records") {
  const test::Variable no_cache("GUMTILE_CACHE_DIR", "/nonexistent");
  const test::Variable no_records("GUMTILE_TUNING_DIR", "/nonexistent");
  const auto source = std::make_shared<NoKernels>();
  const std::shared_ptr<Engine> engine = Engine::open("cpu", source);
  CHECK(engine->options().cache != nullptr);
  CHECK(engine->options().tuning != nullptr);
  CHECK(engine->options().source != nullptr);
}

TEST_CASE("an engine that is opened with options has what they name and nothing else") {
  EngineOptions options;
  options.source = std::make_shared<NoKernels>();
  const std::shared_ptr<Engine> engine = Engine::open("cpu", options);
  CHECK(engine->options().source == options.source);
  CHECK(engine->options().cache == nullptr);
  CHECK(engine->options().tuning == nullptr);
  CHECK(Engine::open("cpu", nullptr)->options().source == nullptr);
}

}  // namespace gumtile
