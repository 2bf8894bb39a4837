#include <doctest/doctest.h>
#include <fmt/format.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <mutex>
#include <thread>

#include "gumtile/compiler.h"
#include "gumtile/error.h"
#include "tests/random_program.h"

namespace gumtile::test {
namespace {

uint64_t environment(const char* variable, uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text ? std::strtoull(text, nullptr, 0) : otherwise;
}

/// For new random Programs, set GUMTILE_FUZZ_SEED (the first) and GUMTILE_FUZZ_COUNT; GUMTILE_FUZZ_KEEP: a
/// folder for PTX.
uint64_t first_seed() { return environment("GUMTILE_FUZZ_SEED", 1); }

std::string text_of(const Error& error) {
  std::string text = error.what();
  for (const std::string& note : error.notes()) text += "\n" + note;
  return text;
}

std::string describe(uint64_t seed, const RandomProgram& random, const std::string& where,
                     const std::string& what) {
  const Extents& e = random.problem.extents;
  return fmt::format("seed {} on {}, {} rows, {} columns, {} contracted: {}\n{}", seed, where, e.rows,
                     e.columns, e.contracted, what, print(random.problem.program));
}

/// Calls `check` (which returns what failed) for each seed, on two threads.
void for_seeds(uint64_t first, uint64_t count, const std::function<std::string(uint64_t)>& check) {
  std::atomic<uint64_t> next{0};
  std::mutex mutex;
  std::vector<std::string> failures;
  auto work = [&] {
    for (uint64_t i = next++; i < count; i = next++) {
      std::string failure;
      try {
        failure = check(first + i);
      } catch (const std::exception& error) {
        failure = fmt::format("seed {}: {}", first + i, error.what());
      }
      const std::lock_guard lock(mutex);
      if (!failure.empty()) failures.push_back(std::move(failure));
    }
  };
  std::thread other(work);
  work();
  other.join();
  for (size_t i = 0; i < std::min<size_t>(failures.size(), 5); ++i) FAIL_CHECK(failures[i]);
  MESSAGE(count, " random Programs, ", failures.size(), " failed");
  CHECK(failures.empty());
}

int row_alignment(const Array& a) {
  const int64_t bytes = a.row_stride * static_cast<int64_t>(size_bytes(a.dtype));
  return static_cast<int>(std::min<int64_t>(bytes & -bytes, 16));
}

Problem problem_of(const Case& c) {
  Problem problem{c.extents.columns, c.extents.contracted, std::max<int64_t>(c.extents.rows, 1), 16};
  for (const ContractionInfo& contraction : c.program.contractions)
    problem.weights_alignment = row_alignment(c.inputs[contraction.right]);
  return problem;
}

std::string check_engine(uint64_t seed, const RandomProgram& random, const Outputs& expected, Engine& engine,
                         size_t schedules) {
  const Case& c = random.problem;
  Random choice(seed);
  const auto all = sample_schedules(c.program, problem_of(c), engine.device().target, choice, 8);
  for (size_t i = 0; i < schedules; ++i) {
    const Schedule& schedule = schedules == 1 ? all[choice.below(all.size())] : all[i % all.size()];
    const std::string where = engine.device().id + " " + schedule.str();
    std::string what;
    try {
      what = difference(random, expected, run_engine(c, engine, schedule));
    } catch (const Error& error) {
      what = text_of(error);
    } catch (const std::exception& error) {
      what = error.what();
    }
    if (!what.empty()) return describe(seed, random, where, what);
  }
  return "";
}

TEST_CASE("random Programs give the interpreter's results on every engine") {
  const uint64_t count = environment("GUMTILE_FUZZ_COUNT", 500);
  for_seeds(first_seed(), count, [](uint64_t seed) -> std::string {
    const RandomProgram random = make_random_program(seed);
    if (!(parse_program(print(random.problem.program)) == random.problem.program))
      return describe(seed, random, "text", "the Program does not survive print and parse");
    const Outputs expected = run_interpreter(random.problem);
    for (const auto& engine : engines()) {
      // The CPU gets the default and a random schedule for some seeds, and one schedule of all for the
      // others. A GPU gets three per seed.
      const size_t schedules = engine->device().target.is_cuda() ? 3 : seed % 8 == 0 ? 2 : 1;
      std::string failure = check_engine(seed, random, expected, *engine, schedules);
      if (!failure.empty()) return failure;
    }
    return "";
  });
}

bool tests_cpu() { return !engines().front()->device().target.is_cuda(); }

/// Runs the plan's own target instead of the engine's; host memory is bound as it is.
Outputs run_plan(const Case& c, Engine& engine, const KernelPlan& plan, const Outputs& like) {
  const Kernel kernel = engine.load(plan);
  Outputs outputs = like;
  std::vector<Binding> in;
  std::vector<Binding> out;
  for (const Array& a : c.inputs)
    in.push_back({a.absent ? nullptr : const_cast<std::byte*>(a.bytes.data()), a.row_stride});
  for (Array& a : outputs) {
    std::fill(a.bytes.begin(), a.bytes.end(), std::byte{0x5a});
    out.push_back({a.bytes.data(), a.row_stride});
  }
  const size_t bytes = kernel.workspace_bytes(c.extents.rows);
  void* workspace = engine.allocate(bytes);
  REQUIRE(kernel.workspace_init(nullptr, workspace, bytes) == Status::ok);
  const Status status = kernel.launch(nullptr, c.extents.rows, in, out, workspace, bytes);
  engine.release(workspace);
  if (status != Status::ok) throw std::runtime_error("launch: " + std::string(name(status)));
  return outputs;
}

#if defined(__x86_64__)
bool runs_here(const std::string& cpu) {
  if (cpu == "x86-64-v2") return __builtin_cpu_supports("sse4.2") != 0;
  if (cpu == "x86-64-v3") return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  if (cpu == "x86-64-v4") return __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw");
  return true;
}

TEST_CASE("random Programs give the interpreter's results on older CPUs' instructions") {
  if (!tests_cpu()) return;
  for (const char* cpu : {"x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4"}) {
    if (!runs_here(cpu)) {
      MESSAGE("this machine cannot run ", cpu, ": skipped");
      continue;
    }
    const Target target = Target::parse(std::string("host:") + cpu);
    for_seeds(
        first_seed() + 100000, std::min<uint64_t>(environment("GUMTILE_FUZZ_COUNT", 40), 40),
        [&](uint64_t seed) -> std::string {
          const RandomProgram random = make_random_program(seed);
          const Case& c = random.problem;
          if (c.extents.rows == 0) return "";
          const Outputs expected = run_interpreter(c);
          Random choice(seed);
          const auto schedules = sample_schedules(c.program, problem_of(c), target, choice, 6);
          const KernelPlan plan =
              make_plan(c.program, problem_of(c), schedules[choice.below(schedules.size())], target);
          const std::string what = difference(random, expected, run_plan(c, *cpu_engine(), plan, expected));
          return what.empty() ? "" : describe(seed, random, target.str() + " " + plan.schedule.str(), what);
        });
  }
}
#endif

TEST_CASE("random Programs compile for GPUs under random schedules") {
  if (!tests_cpu()) return;  // once is enough
  const std::vector<Target> targets{Target::parse("sm_75"), Target::parse("sm_80"), Target::parse("sm_90a")};
  const uint64_t count = std::min<uint64_t>(environment("GUMTILE_FUZZ_COUNT", 60), 400);
  for_seeds(first_seed() + 200000, count, [&](uint64_t seed) -> std::string {
    const RandomProgram random = make_random_program(seed);
    const Case& c = random.problem;
    Random choice(seed);
    const Target& target = targets[choice.below(targets.size())];
    const auto schedules = sample_schedules(c.program, problem_of(c), target, choice, 6);
    const KernelPlan plan =
        make_plan(c.program, problem_of(c), schedules[choice.below(schedules.size())], target);
    const std::string where = target.str() + " " + plan.schedule.str();
    try {
      const std::string ptx = compile(plan).code;
      if (const char* folder = std::getenv("GUMTILE_FUZZ_KEEP"))
        std::ofstream(fmt::format("{}/{}.{}.ptx", folder, seed, target.str())) << ptx;
      return ptx.find(".extern .func") == std::string::npos
                 ? ""
                 : describe(seed, random, where, "it calls a function that is not there");
    } catch (const Error& error) {
      return describe(seed, random, where, text_of(error));
    }
  });
}

}  // namespace
}  // namespace gumtile::test
