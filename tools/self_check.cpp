#include "tools/self_check.h"

#include <fmt/format.h>

#include <cstdint>
#include <exception>
#include <vector>

#include "gumtile/engine.h"
#include "gumtile/error.h"
#include "gumtile/interpreter.h"
#include "gumtile/jit.h"
#include "gumtile/programs.h"
#include "tools/device_array.h"

namespace gumtile::tools {
namespace {

constexpr int64_t kRows = 5;
constexpr int64_t kColumns = 1021;
constexpr int64_t kContracted = 72;

std::vector<uint16_t> small_integers(int64_t count, uint32_t seed) {
  std::vector<uint16_t> values(static_cast<size_t>(count));
  uint32_t state = seed;
  for (uint16_t& value : values) {
    state = state * 1664525 + 1013904223;  // Numerical Recipes
    value = float_to_bf16(static_cast<float>(state >> 28) - 7.0f);
  }
  return values;
}

std::string find_fault(const std::string& device) {
  const Program program = greedy_argmax(DType::bf16, DType::bf16);
  const std::vector<uint16_t> hidden = small_integers(kRows * kContracted, 1);
  const std::vector<uint16_t> weights = small_integers(kColumns * kContracted, 2);
  std::vector<int32_t> expected(kRows);
  std::vector<float> expected_score(kRows);
  const BoundInput inputs[] = {{hidden.data(), kContracted}, {weights.data(), kContracted}};
  const BoundOutput outputs[] = {{expected.data(), 0}, {expected_score.data(), 0}};
  interpret(program, {kRows, kColumns, kContracted}, inputs, outputs);

  EngineOptions options;  // without a cache, since the compiler is checked
  options.source = make_jit();
  const std::shared_ptr<Engine> engine = Engine::open(device, options);
  const Problem problem{kColumns, kContracted, kRows, 16};
  const Target& target = engine->device().target;
  const Kernel kernel =
      engine->load(make_plan(program, problem, default_schedule(program, problem, target), target));
  const DeviceArray device_hidden = DeviceArray::of(engine, hidden);
  const DeviceArray device_weights = DeviceArray::of(engine, weights);
  const DeviceArray token = DeviceArray::of(engine, std::vector<int32_t>(kRows, -1));
  const DeviceArray score = DeviceArray::of(engine, std::vector<float>(kRows, 0));
  const size_t workspace_bytes = kernel.workspace_bytes(kRows);
  const DeviceArray workspace(engine, workspace_bytes);
  const Binding given[] = {{device_hidden.data(), kContracted}, {device_weights.data(), kContracted}};
  const Binding wanted[] = {{token.data(), 0}, {score.data(), 0}};
  Status status = kernel.workspace_init(nullptr, workspace.data(), workspace_bytes);
  if (status == Status::ok)
    status = kernel.launch(nullptr, kRows, given, wanted, workspace.data(), workspace_bytes);
  if (status != Status::ok) return fmt::format("a launch returned {}", name(status));
  engine->synchronize();
  const std::vector<int32_t> tokens = token.read<int32_t>(kRows);
  const std::vector<float> scores = score.read<float>(kRows);
  for (size_t row = 0; row < tokens.size(); ++row)
    if (tokens[row] != expected[row] || scores[row] != expected_score[row])
      return fmt::format("row {} of a small argmax is token {} with {}; expected {} with {}", row,
                         tokens[row], scores[row], expected[row], expected_score[row]);
  return "";
}

}  // namespace

SelfCheck self_check(const std::string& device) {
  try {
    return {device, find_fault(device)};
  } catch (const std::exception& error) {
    return {device, error.what()};
  }
}

}  // namespace gumtile::tools
