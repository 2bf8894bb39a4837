// A kernel of one's own: how sure is a linear classifier of its answer? The tutorial, docs/dsl-tutorial.md,
// explains this file block by block.
//
//   own_kernel [auto | cpu | cuda:N]
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "device_array.h"
#include "gumtile/dsl_functions.h"
#include "gumtile/error.h"
#include "gumtile/interpreter.h"
#include "gumtile/jit.h"

namespace {

using namespace gumtile;

struct Classifier {
  Axis classes;
  Expr logit;
};

Classifier classifier(ProgramBuilder& p) {
  const Axis rows = p.axis("rows");
  const Axis classes = p.axis("classes");
  const Axis features = p.axis("features");
  const Tensor x = p.input("x", DType::bf16, {rows, features});
  const Tensor w = p.input("w", DType::bf16, {classes, features});
  const Tensor bias = p.optional_input("bias", DType::f32, {classes});
  const Expr product = p.contract(x, w, features);               // per (row, class)
  return {classes, product + bias.at({classes.index(), 0.0f})};  // 0 where no bias is bound
}

constexpr float kInf = std::numeric_limits<float>::infinity();

struct TopTwo {
  Expr best;
  Expr index;
  Expr runner_up;
};

TopTwo top_two(Expr x, Expr index, Axis axis) {
  auto combine = [](std::span<const Expr> a, std::span<const Expr> b) {
    const Expr right_wins = (b[0] > a[0]) | ((b[0] == a[0]) & (b[1] < a[1]));
    const Expr best = select(right_wins, b[0], a[0]);
    const Expr best_index = select(right_wins, b[1], a[1]);
    const Expr runner_up = max(min(a[0], b[0]), max(a[2], b[2]));
    return std::vector<Expr>{best, best_index, runner_up};
  };
  const std::vector<Expr> lifted{x, index, -kInf};
  const std::vector<Expr> identity{-kInf, ~0u, -kInf};
  const std::vector<Expr> state = reduce("top_two", axis, lifted, identity, combine);
  return {state[0], state[1], state[2]};
}

Program make_program() {
  ProgramBuilder p("confidence");
  const auto [classes, logit] = classifier(p);
  const TopTwo top = top_two(logit, classes.index(), classes);  // per row
  const Expr lse = logsumexp(logit, p.split(classes, 0x39));    // per row, in the same sweep
  p.output("class", cast(top.index, DType::i32));
  p.output("lead", top.best - top.runner_up);
  p.output("probability", exp(top.best - lse));
  return p.build();  // verified
}

struct Data {
  static constexpr int64_t kRows = 5, kClasses = 1000, kFeatures = 64;
  std::vector<uint16_t> x, w;  // bf16 bits
  std::vector<float> bias;

  Data() {
    uint32_t state = 1;
    auto next = [&](uint32_t n) {
      return static_cast<float>((state = state * 1664525u + 1013904223u) >> 16 & (n - 1));
    };
    for (int64_t i = 0; i < kRows * kFeatures; ++i) x.push_back(float_to_bf16(next(4) - 2.0f));
    for (int64_t i = 0; i < kClasses * kFeatures; ++i) w.push_back(float_to_bf16(next(4) * 0.5f - 1.0f));
    for (int64_t i = 0; i < kClasses; ++i) bias.push_back(next(8) * 0.25f);
  }
};

struct Result {
  std::vector<int32_t> classes = std::vector<int32_t>(Data::kRows);
  std::vector<float> lead = std::vector<float>(Data::kRows);
  std::vector<float> probability = std::vector<float>(Data::kRows);
};

Result run_interpreter(const Program& program, const Data& data) {
  Result result;
  const Extents extents{Data::kRows, Data::kClasses, Data::kFeatures};
  const std::vector<BoundInput> inputs{
      {data.x.data(), Data::kFeatures}, {data.w.data(), Data::kFeatures}, {data.bias.data(), 0}};
  const std::vector<BoundOutput> outputs{
      {result.classes.data(), 0}, {result.lead.data(), 0}, {result.probability.data(), 0}};
  interpret(program, extents, inputs, outputs);
  return result;
}

/// Classes and leads are exact here; the probability goes through approximations of exp and log.
bool agree(const Result& a, const Result& b) {
  bool same = a.classes == b.classes && a.lead == b.lead;
  for (size_t i = 0; i < a.probability.size(); ++i)
    same &= std::fabs(a.probability[i] - b.probability[i]) <= 1e-5f;
  return same;
}

Result run_engine(const std::shared_ptr<Engine>& engine, const KernelPlan& plan, const Data& data) {
  const Kernel kernel = engine->load(plan);  // compiles
  const DeviceArray<uint16_t> x(engine, data.x);
  const DeviceArray<uint16_t> w(engine, data.w);
  const DeviceArray<float> bias(engine, data.bias);
  const DeviceArray<int32_t> classes(engine, Data::kRows);
  const DeviceArray<float> lead(engine, Data::kRows);
  const DeviceArray<float> probability(engine, Data::kRows);
  const DeviceArray<std::byte> workspace(engine, kernel.workspace_bytes(Data::kRows));

  const std::vector<Binding> inputs{
      {x.data(), Data::kFeatures}, {w.data(), Data::kFeatures}, {bias.data(), 0}};
  const std::vector<Binding> outputs{{classes.data(), 0}, {lead.data(), 0}, {probability.data(), 0}};
  kernel.workspace_init(nullptr, workspace.data(), workspace.size_bytes());  // before its first launch
  const Status status =
      kernel.launch(nullptr, Data::kRows, inputs, outputs, workspace.data(), workspace.size_bytes());
  if (status != Status::ok)
    throw Error(ErrorCode::internal, "the launch failed: " + std::string(name(status)));
  return {classes.read(), lead.read(), probability.read()};
}

int run(const char* device) {
  const Program program = make_program();
  std::printf("%s\ndigest %s\n\n", print(program).c_str(), digest(program).c_str());

  const Data data;
  const Result expected = run_interpreter(program, data);
  const auto engine = Engine::open(device, make_jit());
  const Target& target = engine->device().target;

  // What the kernel is compiled for; the number of rows stays a run-time argument.
  Problem problem;
  problem.columns = Data::kClasses;
  problem.contracted = Data::kFeatures;
  problem.max_rows = Data::kRows;

  const Schedule by_hand = Schedule::parse(target.is_cuda() ? "simt:b8,k16" : "host:b1,v512");
  bool good = true;
  for (const Schedule& schedule : {default_schedule(program, problem, target), by_hand}) {
    const KernelPlan plan = make_plan(program, problem, schedule, target);
    const Result result = run_engine(engine, plan, data);
    const bool same = agree(result, expected);
    good &= same;
    std::printf("%s on %s: %s the interpreter\n", schedule.str().c_str(), engine->device().id.c_str(),
                same ? "agrees with" : "DIFFERS from");
    for (size_t row = 0; row < Data::kRows; ++row)
      std::printf("  row %zu: class %3d leads by %.2f, probability %.4f\n", row, result.classes[row],
                  result.lead[row], result.probability[row]);
  }
  return good ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc > 1 ? argv[1] : "auto");
  } catch (const Error& error) {
    std::fprintf(stderr, "own_kernel: %s\n", error.what());
    for (const std::string& note : error.notes()) std::fprintf(stderr, "  %s\n", note.c_str());
    return static_cast<int>(error.code());
  }
}
