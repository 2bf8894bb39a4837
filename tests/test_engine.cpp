// Engines and the sampling head, with handwritten kernels: this tests everything but the compiler. Tests that
// need a GPU or a C compiler are skipped, with a message, if there is none.
#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gumtile/engine.h"
#include "gumtile/error.h"
#include "gumtile/lm_head.h"
#include "runtime/cuda/device.h"
#include "runtime/engine/arguments.h"
#include "runtime/engine/backend.h"
#include "runtime/engine/grid.h"
#include "runtime/engine/parallel.h"
#include "runtime/engine/timing.h"
#include "runtime/head/batch_buckets.h"

namespace gumtile {
namespace {

template <typename Body>
Error error_of(const Body& body) {
  try {
    body();
  } catch (const Error& error) {
    return error;
  }
  FAIL("no Error was thrown");
  throw std::logic_error("unreachable");
}

bool contains(const Error& error, const std::string& text) {
  return std::string(error.what()).find(text) != std::string::npos;
}

/// Returns what a function makes of a plan, and counts the calls.
class FakeSource : public KernelSource {
 public:
  explicit FakeSource(std::function<KernelArtifact(const KernelPlan&)> make) : make_(std::move(make)) {}
  KernelArtifact get(const KernelPlan& plan) override {
    ++loads;
    return make_(plan);
  }
  int loads = 0;

 private:
  std::function<KernelArtifact(const KernelPlan&)> make_;
};

/// Options with only a source: handwritten kernels must not get into a user's cache.
EngineOptions bare(std::shared_ptr<KernelSource> source) {
  EngineOptions options;
  options.source = std::move(source);
  return options;
}

std::shared_ptr<FakeSource> source_of(const KernelArtifact& artifact) {
  return std::make_shared<FakeSource>([artifact](const KernelPlan&) { return artifact; });
}

/// The bytes of a shared object compiled by the system's C compiler; empty (and a message) if there is none.
std::string compile_c(const std::string& text) {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / ("gumtile-test-engine-" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  std::ofstream(folder / "kernel.c") << text;
  const std::string command = "cc -shared -fPIC -O1 -o '" + (folder / "kernel.so").string() + "' '" +
                              (folder / "kernel.c").string() + "'";
  std::string bytes;
  if (std::system(command.c_str()) == 0) {
    std::ifstream file(folder / "kernel.so", std::ios::binary);
    bytes.assign(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  } else {
    MESSAGE("skipped: there is no working C compiler 'cc'");
  }
  std::filesystem::remove_all(folder);
  return bytes;
}

/// The first largest of left[row, 3] x right[column, 3]: a record is the best value and its column.
constexpr const char* kArgmaxC = R"(
#include <stdint.h>
enum { K = 3, TILE = 4, COLUMNS = 29, STAGED = 8 };
void stage(const uint64_t* a, int64_t begin, int64_t end) {
  const float* left = (const float*)a[6];
  float* staged = (float*)a[2];
  for (int64_t row = begin; row < end; ++row)
    for (int k = 0; k < K; ++k) staged[row * STAGED + k] = left[row * (int64_t)a[7] + k];
}
void sweep(const uint64_t* a, int64_t worker, int64_t tile_begin, int64_t tile_end) {
  const float* staged = (const float*)a[2];
  const float* right = (const float*)a[8];
  int64_t rows = a[0], end = tile_end * TILE < COLUMNS ? tile_end * TILE : COLUMNS;
  for (int64_t row = 0; row < rows; ++row) {
    float best = -1e30f;
    int32_t best_column = -1;
    for (int64_t column = tile_begin * TILE; column < end; ++column) {
      float sum = 0;
      for (int k = 0; k < K; ++k) sum += staged[row * STAGED + k] * right[column * (int64_t)a[9] + k];
      if (sum > best) { best = sum; best_column = column; }
    }
    ((float*)a[1])[(worker * rows + row) * 2] = best;
    ((int32_t*)a[1])[(worker * rows + row) * 2 + 1] = best_column;
  }
}
void finish(const uint64_t* a, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    float best = -1e30f;
    for (int64_t worker = 0; worker < (int64_t)a[3]; ++worker) {
      const int64_t record = (worker * a[0] + row) * 2;
      if (((float*)a[1])[record] <= best) continue;
      best = ((float*)a[1])[record];
      ((int32_t*)a[10])[row] = ((int32_t*)a[1])[record + 1];
    }
  }
}
)";

LaunchSpec argmax_spec() {
  LaunchSpec spec;
  spec.stage = "stage";
  spec.sweep = "sweep";
  spec.finish = "finish";
  spec.rows_per_block = 1;
  spec.columns = 29;
  spec.columns_per_unit = 4;
  spec.record_words = 2;
  spec.contraction_left = 0;
  spec.contraction_right = 1;
  spec.staged_dtype = DType::f32;
  spec.staged_stride = 8;
  spec.inputs = {{"left", DType::f32, 2, false}, {"right", DType::f32, 2, false}};
  spec.outputs = {{"column", DType::i32, 1, false}};
  return spec;
}

KernelArtifact host_artifact(std::string code, LaunchSpec spec) {
  KernelArtifact artifact;
  artifact.format = KernelArtifact::Format::shared_object;
  artifact.code = std::move(code);
  artifact.launch = std::move(spec);
  artifact.target = "host";
  artifact.key = "0123456789abcdef0123456789abcdef";
  return artifact;
}

/// Memory of an engine.
class Memory {
 public:
  Memory(Engine& engine, size_t bytes) : engine_(engine), address_(engine.allocate(bytes)), bytes_(bytes) {}
  ~Memory() { engine_.release(address_); }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  void* get() const { return address_; }
  size_t bytes() const { return bytes_; }

 private:
  Engine& engine_;
  void* address_;
  size_t bytes_;
};

/// Runs a test case that is otherwise skipped in a separate process, with an environment variable set. True
/// if it passed.
bool passes_alone(const std::string& environment, const std::string& test_case) {
  const std::string self = std::filesystem::read_symlink("/proc/self/exe").string();
  const std::string command =
      environment + " '" + self + "' --no-skip=1 --no-version=1 --test-case='" + test_case + "' >&2";
  return std::system(command.c_str()) == 0;
}

TEST_CASE("every status has a name") {
  CHECK(name(Status::ok) == "ok");
  CHECK(name(Status::not_prepared) == "not_prepared");
  CHECK(name(Status::too_many_rows) == "too_many_rows");
  CHECK(name(Status::workspace_too_small) == "workspace_too_small");
  CHECK(name(Status::invalid_argument) == "invalid_argument");
  CHECK(name(Status::launch_failed) == "launch_failed");
  CHECK(name(Status::context_lost) == "context_lost");
}

TEST_CASE("a device that is not there is named beside those that are") {
  const Error error = error_of([] { Engine::open("cuda:999", nullptr); });
  CHECK(error.code() == ErrorCode::device_unavailable);
  CHECK(contains(error, "'cuda:999'"));
  CHECK(contains(error, "'cpu'"));
  for (const cuda::DeviceInfo& info : cuda::list_devices()) CHECK(contains(error, info.name));
}

TEST_CASE("text that is no device is a usage error") {
  for (const char* text :
       {"", "gpu", "cuda", "cuda:", "cuda:-1", "cuda:+1", "cuda:1x", "cuda: 1", "CPU", "cuda:99999999999"}) {
    CAPTURE(text);
    const Error error = error_of([&] { Engine::open(text, nullptr); });
    CHECK(error.code() == ErrorCode::usage);
    CHECK(contains(error, "expected 'auto', 'cpu' or 'cuda:N'"));
  }
}

TEST_CASE("engine without a CUDA driver" * doctest::skip()) {
  CHECK(Engine::open("auto", nullptr)->device().id == "cpu");
  const Error error = error_of([] { Engine::open("cuda:0", nullptr); });
  CHECK(error.code() == ErrorCode::device_unavailable);
  CHECK(contains(error, "/nonexistent/libcuda.so.1"));
  CHECK(contains(error, "install the NVIDIA driver"));
}

TEST_CASE("without a CUDA driver, auto is the CPU and cuda:0 says why not") {
  CHECK(passes_alone("GUMTILE_LIBCUDA=/nonexistent/libcuda.so.1", "engine without a CUDA driver"));
}

TEST_CASE("the CPU is described, and its memory is memory") {
  const std::shared_ptr<Engine> engine = Engine::open("cpu", nullptr);
  CHECK(engine->device().id == "cpu");
  CHECK(engine->device().target == Target{});
  CHECK(engine->device().workers >= 1);
  CHECK(engine->device().memory_bytes > 0);
  CHECK(!engine->device().name.empty());

  const Memory memory(*engine, 1000);
  CHECK(reinterpret_cast<uintptr_t>(memory.get()) % 256 == 0);
  const std::array<int, 3> written = {1, 2, 3};
  std::array<int, 3> read = {};
  engine->copy_to_device(memory.get(), written.data(), sizeof(written));
  engine->synchronize();
  engine->copy_to_host(read.data(), memory.get(), sizeof(read));
  CHECK(read == written);
  CHECK(engine->allocate(0) == nullptr);
  engine->release(nullptr);
}

TEST_CASE("an engine loads only with a source, and plans and artifacts for its kind of device") {
  CHECK(error_of([] { Engine::open("cpu", nullptr)->load({}); }).code() == ErrorCode::usage);

  KernelArtifact artifact = host_artifact("no shared object", argmax_spec());
  KernelPlan for_gpu;
  for_gpu.target = Target::parse("sm_80");
  const Error wrong_plan = error_of([&] { Engine::open("cpu", bare(source_of(artifact)))->load(for_gpu); });
  CHECK(wrong_plan.code() == ErrorCode::usage);
  CHECK(contains(wrong_plan, "sm_80"));
  CHECK(error_of([&] { Engine::open("cpu", bare(source_of(artifact)))->load({}); }).code() ==
        ErrorCode::bad_data);
  artifact.format = KernelArtifact::Format::ptx;
  CHECK(error_of([&] { Engine::open("cpu", bare(source_of(artifact)))->load({}); }).code() ==
        ErrorCode::internal);
}

TEST_CASE("a launch specification that cannot be is refused before its code is touched") {
  const std::array<std::pair<const char*, std::function<void(LaunchSpec&)>>, 10> faults = {{
      {"sweep", [](LaunchSpec& s) { s.sweep.clear(); }},
      {"rows_per_block", [](LaunchSpec& s) { s.rows_per_block = 0; }},
      {"columns_per_unit", [](LaunchSpec& s) { s.columns_per_unit = 0; }},
      {"finish", [](LaunchSpec& s) { s.finish.clear(); }},
      {"contraction_left", [](LaunchSpec& s) { s.contraction_left = 2; }},
      {"left_index is no input", [](LaunchSpec& s) { s.left_index = 2; }},
      {"left_index gathers", [](LaunchSpec& s) { s.left_index = 1, s.stage.clear(); }},
      {"left_alignment", [](LaunchSpec& s) { s.left_alignment = 12; }},
      {"stage", [](LaunchSpec& s) { s.must_stage = true, s.stage.clear(); }},
      {"at most 192",
       [](LaunchSpec& s) {
         s.inputs.resize(94, {"more", DType::f32, 1, true});
       }},
  }};
  for (const auto& fault : faults) {
    CAPTURE(fault.first);
    LaunchSpec spec = argmax_spec();
    fault.second(spec);
    const std::shared_ptr<Engine> engine = Engine::open("cpu", bare(source_of(host_artifact("", spec))));
    const Error error = error_of([&] { engine->load({}); });
    CHECK(error.code() == ErrorCode::internal);
    CHECK(contains(error, fault.first));
  }
}

TEST_CASE("only the host needs a finish entry for records: GPU kernels finish in their sweep") {
  LaunchSpec spec = argmax_spec();
  spec.finish.clear();
  struct Nothing final : engine::LoadedKernel {
    explicit Nothing(KernelArtifact artifact) : LoadedKernel(std::move(artifact), false) {}
    int64_t row_limit() const noexcept override { return 0; }
    int64_t workers(int64_t /*rows*/) const noexcept override { return 1; }
    int64_t max_records(int64_t /*max_rows*/) const noexcept override { return 1; }
    Status run(StreamHandle /*stream*/, const abi::Words& /*words*/, const LaunchOptions& /*options*/,
               const engine::BoundWeights* /*weights*/) const noexcept override {
      return Status::ok;
    }
    bool has_shared_state() const noexcept override { return true; }
    Status clear(StreamHandle /*stream*/, void* /*memory*/, size_t /*bytes*/) const noexcept override {
      return Status::ok;
    }
  };
  KernelArtifact artifact = host_artifact("", spec);
  CHECK(error_of([&] { Nothing{artifact}; }).code() == ErrorCode::internal);
  for (const auto format : {KernelArtifact::Format::ptx, KernelArtifact::Format::cubin}) {
    artifact.format = format;
    CHECK_NOTHROW(Nothing{artifact});
  }
}

TEST_CASE("arguments are packed in order, or refused") {
  LaunchSpec spec = argmax_spec();
  spec.inputs.push_back({"seed", DType::u64, 1, true});
  spec.outputs.push_back({"logits", DType::f32, 2, true});
  const engine::ArgumentLayout layout(spec);
  auto at = [](uintptr_t address, int64_t stride = 0) {
    return Binding{reinterpret_cast<void*>(address), stride};
  };
  std::vector<Binding> inputs = {at(0x100, 5), at(0x200, 7), at(0x300)};
  std::vector<Binding> outputs = {at(0x400), at(0x500, 29)};
  abi::Words words;
  auto pack = [&] { return layout.pack(inputs, outputs, words); };

  REQUIRE(pack() == Status::ok);
  const std::vector<uint64_t> packed(words.begin() + abi::word_tensors,
                                     words.begin() + abi::word_count(spec));
  CHECK(packed == std::vector<uint64_t>{0x100, 5, 0x200, 7, 0x300, 0, 0x400, 0, 0x500, 29});

  auto refused = [&](Binding& binding, Binding bad) {
    const Binding good = std::exchange(binding, bad);
    CHECK(pack() == Status::invalid_argument);
    binding = good;
    CHECK(pack() == Status::ok);
  };
  refused(inputs[0], at(0, 5));        // null
  refused(inputs[0], at(0x102, 5));    // misaligned
  refused(inputs[0], at(0x100, 0));    // no stride
  refused(inputs[2], at(0x304));       // misaligned for 8 bytes
  refused(outputs[0], at(0));          // null
  refused(outputs[1], at(0x500, 28));  // rows would overlap
  inputs[2] = at(0);
  outputs[1] = at(0);
  CHECK(pack() == Status::ok);  // both are optional
  inputs.pop_back();
  CHECK(pack() == Status::invalid_argument);
}

/// Keeps the arguments of its launches; the sweep reads left inputs as they lie if it can.
class RecordingKernel final : public engine::LoadedKernel {
 public:
  explicit RecordingKernel(const LaunchSpec& spec) : LoadedKernel(host_artifact("", spec), false) {}
  mutable abi::Words words{};

 private:
  int64_t row_limit() const noexcept override { return 1000; }
  int64_t workers(int64_t /*rows*/) const noexcept override { return 1; }
  int64_t max_records(int64_t max_rows) const noexcept override { return max_rows; }
  Status run(StreamHandle /*stream*/, const abi::Words& given, const LaunchOptions& /*options*/,
             const engine::BoundWeights* /*weights*/) const noexcept override {
    words = given;
    return Status::ok;
  }
  bool has_shared_state() const noexcept override { return false; }
  Status clear(StreamHandle /*stream*/, void* /*memory*/, size_t /*bytes*/) const noexcept override {
    return Status::ok;
  }
};

TEST_CASE("a launch stages the left input where its index is bound, and has room for that") {
  LaunchSpec spec = argmax_spec();
  const size_t without = [&] {
    LaunchSpec none = spec;
    none.stage.clear();
    return RecordingKernel(none).workspace(100).total();
  }();
  spec.inputs.push_back({"index", DType::i32, 1, true});
  spec.left_index = 2;
  const RecordingKernel kernel(spec);
  CHECK(kernel.workspace(100).total() >= without + 100 * 8 * 4);
  std::vector<std::byte> workspace(kernel.workspace(3).total() + 256);
  void* aligned = workspace.data();
  size_t space = workspace.size();
  REQUIRE(std::align(256, kernel.workspace(3).total(), aligned, space) != nullptr);
  auto stages = [&](uintptr_t index) {
    const std::array<Binding, 3> inputs = {Binding{reinterpret_cast<void*>(0x100), 5},
                                           Binding{reinterpret_cast<void*>(0x200), 7},
                                           Binding{reinterpret_cast<void*>(index), 0}};
    const std::array<Binding, 1> outputs = {Binding{reinterpret_cast<void*>(0x400), 0}};
    REQUIRE(kernel.launch(nullptr, 3, inputs, outputs, aligned, kernel.workspace(3).total(), {}, nullptr) ==
            Status::ok);
    return kernel.words[abi::word_staged] != 0;
  };
  CHECK(stages(0x300));
  CHECK_FALSE(stages(0));
}

TEST_CASE("a grid's records are bounded, by a bound that grows with the rows") {
  for (int64_t tiles : {1, 7, 132, 594}) {
    for (int64_t rows_per_block : {1, 8, 64}) {
      for (int64_t resident_blocks : {1, 132, 1056}) {
        const engine::Grid grid{tiles, rows_per_block, resident_blocks};
        int64_t most = 0;
        int64_t last_bound = 0;
        for (int64_t rows = 1; rows <= 3000; ++rows) {
          const int64_t workers = grid.workers(rows);
          REQUIRE(workers >= 1);
          REQUIRE(workers <= tiles);
          most = std::max(most, rows * workers);
          REQUIRE(grid.max_records(rows) >= most);
          REQUIRE(grid.max_records(rows) >= last_bound);
          last_bound = grid.max_records(rows);
        }
      }
    }
  }
}

TEST_CASE("tasks in parallel: each once; failures, cancellation and few threads end well") {
  for (int threads : {0, 1, 3, 8}) {
    CAPTURE(threads);
    std::array<std::atomic<int>, 20> runs{};
    size_t last = 0;
    const auto count = [&](size_t i) { ++runs[i]; };
    CHECK(engine::run_in_parallel(runs.size(), threads, count, [&](size_t done) {
      CHECK(done > last);
      last = done;
      return true;
    }));
    CHECK(last == runs.size());
    for (const auto& run : runs) CHECK(run == 1);
    CHECK(engine::run_in_parallel(0, threads, count, {}));

    const auto fail = [](size_t i) {
      if (i == 2) throw Error(ErrorCode::usage, "task 2");
    };
    CHECK(contains(error_of([&] { engine::run_in_parallel(20, threads, fail, {}); }), "task 2"));
    const auto throwing = [](size_t) -> bool { throw Error(ErrorCode::usage, "progress"); };
    CHECK(contains(error_of([&] { engine::run_in_parallel(20, threads, count, throwing); }), "progress"));
  }
  CHECK_FALSE(engine::run_in_parallel(
      1000, 2, [](size_t) { std::this_thread::sleep_for(std::chrono::milliseconds(1)); },
      [](size_t) { return false; }));
}

TEST_CASE("copies from and to nowhere are refused") {
  const std::shared_ptr<Engine> engine = Engine::open("cpu", nullptr);
  int word = 0;
  CHECK(error_of([&] { engine->copy_to_host(&word, nullptr, 4); }).code() == ErrorCode::usage);
  CHECK(error_of([&] { engine->copy_to_device(nullptr, &word, 4); }).code() == ErrorCode::usage);
  engine->copy_to_host(nullptr, nullptr, 0);
}

TEST_CASE("percentiles of times") {
  const Engine::Timing one = engine::summarize({4});
  CHECK(one.median_us == 4);
  CHECK(one.p5_us == 4);
  CHECK(one.p95_us == 4);
  std::vector<double> times;
  for (int i = 100; i >= 0; --i) times.push_back(i);
  const Engine::Timing many = engine::summarize(times);
  CHECK(many.median_us == doctest::Approx(50));
  CHECK(many.p5_us == doctest::Approx(5));
  CHECK(many.p95_us == doctest::Approx(95));
}

TEST_CASE("a kernel on the CPU: launch, workspace and refusals") {
  const std::string code = compile_c(kArgmaxC);
  if (code.empty()) return;
  std::unique_ptr<Kernel> kernel;
  {
    // The kernel keeps alive what it needs of the engine.
    const std::shared_ptr<Engine> engine =
        Engine::open("cpu", bare(source_of(host_artifact(code, argmax_spec()))));
    kernel = std::make_unique<Kernel>(engine->load({}));
  }
  CHECK(kernel->artifact().launch.sweep == "sweep");
  CHECK(kernel->workspace_bytes(0) == 0);
  for (int64_t rows = 1; rows < 300; ++rows) {
    REQUIRE(kernel->workspace_bytes(rows) % 256 == 0);
    REQUIRE(kernel->workspace_bytes(rows) >= kernel->workspace_bytes(rows - 1));
  }

  constexpr int64_t kRows = 21;
  std::vector<float> left(kRows * 5);
  std::vector<float> right(29 * 4);
  for (size_t i = 0; i < left.size(); ++i) left[i] = static_cast<float>(i * 37 % 19) - 9;
  for (size_t i = 0; i < right.size(); ++i) right[i] = static_cast<float>(i * 53 % 23) - 11;
  std::vector<int32_t> expected(kRows);
  for (int64_t row = 0; row < kRows; ++row) {
    float best = -1e30f;
    for (int32_t column = 0; column < 29; ++column) {
      float sum = 0;
      for (int k = 0; k < 3; ++k) sum += left[row * 5 + k] * right[column * 4 + k];
      if (sum <= best) continue;
      best = sum;
      expected[row] = column;
    }
  }

  const std::shared_ptr<Engine> engine = Engine::open("cpu", nullptr);
  const Memory workspace(*engine, kernel->workspace_bytes(kRows));
  std::vector<int32_t> columns(kRows, -7);
  const std::array<Binding, 2> inputs = {Binding{left.data(), 5}, Binding{right.data(), 4}};
  std::array<Binding, 1> outputs = {Binding{columns.data(), 0}};
  auto launch = [&](int64_t rows, void* memory, size_t bytes) {
    return kernel->launch(nullptr, rows, inputs, outputs, memory, bytes);
  };
  CHECK(launch(0, nullptr, 0) == Status::ok);
  CHECK(launch(-1, workspace.get(), workspace.bytes()) == Status::invalid_argument);
  CHECK(launch(int64_t{1} << 40, workspace.get(), workspace.bytes()) == Status::too_many_rows);
  CHECK(launch(kRows, workspace.get(), workspace.bytes() - 1) == Status::workspace_too_small);
  CHECK(launch(kRows, nullptr, workspace.bytes()) == Status::invalid_argument);
  CHECK(launch(kRows, static_cast<char*>(workspace.get()) + 64, workspace.bytes()) ==
        Status::invalid_argument);
  outputs[0].data = nullptr;
  CHECK(launch(kRows, workspace.get(), workspace.bytes()) == Status::invalid_argument);
  outputs[0].data = columns.data();
  CHECK(columns == std::vector<int32_t>(kRows, -7));

  CHECK(launch(kRows, workspace.get(), workspace.bytes()) == Status::ok);
  CHECK(columns == expected);
  CHECK(launch(1, workspace.get(), workspace.bytes()) == Status::ok);
  CHECK(columns == expected);

  const Engine::Timing timing =
      engine->time([&](StreamHandle) { return launch(kRows, workspace.get(), workspace.bytes()); }, 5);
  CHECK(timing.p5_us > 0);
  CHECK(timing.p5_us <= timing.median_us);
  CHECK(timing.median_us <= timing.p95_us);
  CHECK(error_of([&] { engine->time([](StreamHandle) { return Status::ok; }, 0); }).code() ==
        ErrorCode::usage);
  const Error refused =
      error_of([&] { engine->time([&](StreamHandle) { return launch(kRows, nullptr, 0); }, 1); });
  CHECK(contains(refused, "workspace_too_small"));
}

/// y[row] = x[row] + 1000 * workers, and z[row] = whether there is a staged operand.
constexpr const char* kArgumentsPtx = R"(
.version 6.4
.target sm_70
.address_size 64
.visible .entry sweep(.param .align 8 .b8 args[96])
{
  .reg .pred %p<3>;
  .reg .b32 %r<8>;
  .reg .b64 %d<12>;
  mov.u32 %r0, %tid.x;
  mov.u32 %r1, %ctaid.x;
  or.b32 %r0, %r0, %r1;
  setp.ne.u32 %p0, %r0, 0;
  @%p0 bra done;
  mov.u32 %r2, %ctaid.y;
  ld.param.u64 %d0, [args];
  cvt.u64.u32 %d1, %r2;
  setp.ge.u64 %p1, %d1, %d0;
  @%p1 bra done;
  ld.param.u64 %d2, [args+16];
  ld.param.u64 %d3, [args+24];
  ld.param.u64 %d4, [args+48];
  ld.param.u64 %d5, [args+64];
  ld.param.u64 %d6, [args+80];
  shl.b64 %d7, %d1, 2;
  add.u64 %d8, %d4, %d7;
  ld.global.u32 %r3, [%d8];
  cvt.u32.u64 %r4, %d3;
  mad.lo.u32 %r3, %r4, 1000, %r3;
  add.u64 %d8, %d5, %d7;
  st.global.u32 [%d8], %r3;
  setp.ne.u64 %p2, %d2, 0;
  selp.u32 %r5, 1, 0, %p2;
  add.u64 %d8, %d6, %d7;
  st.global.u32 [%d8], %r5;
done:
  ret;
}
.visible .entry stage(.param .align 8 .b8 args[96])
{
  ret;
}
)";

TEST_CASE("a kernel on a GPU gets its arguments, in and out of graphs") {
  std::string why_not;
  if (cuda::list_devices(&why_not).empty()) {
    MESSAGE("skipped: " << why_not);
    return;
  }
  LaunchSpec spec;
  spec.stage = "stage";
  spec.sweep = "sweep";
  spec.threads = 32;
  spec.rows_per_block = 1;
  spec.columns = 20;
  spec.columns_per_unit = 4;
  spec.contraction_left = 0;
  spec.staged_dtype = DType::i32;
  spec.staged_stride = 16;
  spec.left_alignment = 16;
  spec.inputs = {{"x", DType::i32, 1, false}};
  spec.outputs = {{"y", DType::i32, 1, false}, {"z", DType::i32, 1, false}};
  KernelArtifact artifact;
  artifact.code = kArgumentsPtx;
  artifact.launch = spec;
  artifact.ptx_version = 64;
  const std::shared_ptr<Engine> engine = Engine::open("auto", bare(source_of(artifact)));
  REQUIRE(engine->device().target.is_cuda());
  KernelPlan plan;
  plan.target = engine->device().target;
  const Kernel kernel = engine->load(plan);

  constexpr int64_t kRows = 3;
  const Memory x(*engine, 256);
  const Memory y(*engine, 256);
  const Memory z(*engine, 256);
  const Memory workspace(*engine, kernel.workspace_bytes(kRows));
  std::array<int32_t, 16> values = {};
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<int32_t>(i);
  engine->copy_to_device(x.get(), values.data(), sizeof(values));
  auto launch = [&](StreamHandle stream, int first) {
    const std::array<Binding, 1> inputs = {Binding{static_cast<int32_t*>(x.get()) + first, 0}};
    const std::array<Binding, 2> outputs = {Binding{y.get(), 0}, Binding{z.get(), 0}};
    return kernel.launch(stream, kRows, inputs, outputs, workspace.get(), workspace.bytes());
  };
  for (int first : {0, 4, 1}) {
    CAPTURE(first);
    REQUIRE(launch(nullptr, first) == Status::ok);
    engine->synchronize();
    std::array<int32_t, kRows> sums = {};
    std::array<int32_t, kRows> staged = {};
    engine->copy_to_host(sums.data(), y.get(), sizeof(sums));
    engine->copy_to_host(staged.data(), z.get(), sizeof(staged));
    for (int row = 0; row < kRows; ++row) {
      CHECK(sums[row] == 5000 + first + row);          // 5 tiles, fewer than any GPU's resident blocks
      CHECK(staged[row] == (first % 4 != 0 ? 1 : 0));  // only if the address is not aligned to 16 bytes
    }
  }
  CHECK(engine->time([&](StreamHandle stream) { return launch(stream, 0); }, 20).median_us > 0);
  CHECK(kernel.launch(nullptr, int64_t{1} << 40, {}, {}, nullptr, 0) == Status::too_many_rows);

  artifact.code = ".version 99.0\n.target sm_70\n.address_size 64\n";
  const Error error = error_of([&] { Engine::open("auto", bare(source_of(artifact)))->load(plan); });
  CHECK(contains(error, "the driver supports CUDA"));
}

TEST_CASE("batch buckets") {
  CHECK(batch_buckets(0).empty());
  CHECK(batch_buckets(-3).empty());
  CHECK(batch_buckets(1) == std::vector<int64_t>{1});
  CHECK(batch_buckets(2) == std::vector<int64_t>{1, 4});
  CHECK(batch_buckets(4) == std::vector<int64_t>{1, 4});
  CHECK(batch_buckets(256) == std::vector<int64_t>{1, 4, 8, 16, 32, 64, 128, 256});
  CHECK(batch_buckets(257) == std::vector<int64_t>{1, 4, 8, 16, 32, 64, 128, 256, 384});
  CHECK(batch_buckets(1024).back() == 1024);
  for (int64_t rows = 1; rows <= 2000; ++rows) {
    const size_t bucket = head::bucket_of(rows);
    REQUIRE(rows <= head::bucket_end(bucket));
    if (bucket > 0) REQUIRE(rows > head::bucket_end(bucket - 1));
  }
}

TEST_CASE("a sampling head refuses what it cannot be made of") {
  const std::shared_ptr<Engine> engine = Engine::open("cpu", nullptr);
  alignas(16) const std::array<uint16_t, 64> weights = {};
  LmHeadOptions options;
  options.vocab_size = 4;
  options.hidden_size = 16;
  auto refused = [&](const LmHeadOptions& with, const void* address, int64_t stride) {
    const Error error = error_of([&] { LmHead(engine, with, address, stride); });
    CHECK(error.code() == ErrorCode::usage);
  };
  LmHeadOptions no_vocab = options;
  no_vocab.vocab_size = 0;
  refused(no_vocab, weights.data(), 0);
  LmHeadOptions no_hidden = options;
  no_hidden.hidden_size = -1;
  refused(no_hidden, weights.data(), 0);
  refused(options, nullptr, 0);
  refused(options, weights.data(), 15);
  refused(options, reinterpret_cast<const char*>(weights.data()) + 1, 0);
  CHECK(error_of([&] { LmHead(nullptr, options, weights.data()); }).code() == ErrorCode::usage);

  LmHead head(engine, options, weights.data());
  CHECK(head.options().vocab_size == 4);
  CHECK(head.kernel_for(1) == nullptr);
  CHECK(head.workspace_bytes(0) == 0);
  CHECK(error_of([&] { head.workspace_bytes(1); }).code() == ErrorCode::usage);
  CHECK(error_of([&] { head.prepare(0); }).code() == ErrorCode::usage);
  CHECK(error_of([&] { head.prepare(int64_t{1} << 40); }).code() == ErrorCode::usage);
  SampleArgs args;
  CHECK(head.sample(nullptr, args) == Status::ok);  // no rows
  args.rows = 1;
  CHECK(head.sample(nullptr, args) == Status::not_prepared);
  args.rows = -1;
  CHECK(head.sample(nullptr, args) == Status::invalid_argument);
}

/// A kernel for the sampling Program that only shows what it is given: token[row] adds up one value from each
/// of the optional inputs, status[row] has a bit for each that is absent, and any_status is the hidden row
/// stride.
KernelArtifact showing_artifact(const KernelPlan& plan) {
  std::string text = "#include <stdint.h>\n";
  size_t word = abi::word_tensors;
  for (const LaunchSpec::Argument& input : plan.launch.inputs) {
    text += "enum { " + input.name + " = " + std::to_string(word) + " };\n";
    word += 2;
  }
  for (const LaunchSpec::Argument& output : plan.launch.outputs) {
    text += "enum { " + output.name + " = " + std::to_string(word) + " };\n";
    word += 2;
  }
  text += R"(
    void stage(const uint64_t* a, int64_t begin, int64_t end) { (void)a, (void)begin, (void)end; }
    #define ADD(type, name, index) if (a[name]) sum += ((type*)a[name])[index]; else absent |= 1u << name
    void sweep(const uint64_t* a, int64_t worker, int64_t tile_begin, int64_t tile_end) {
      (void)a, (void)worker, (void)tile_begin, (void)tile_end;
    }
    void finish(const uint64_t* a, int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) {
        int64_t sum = 0;
        uint32_t absent = 0;
        ADD(int32_t, row_slot, row);
        ADD(int32_t, num_rows, 0);
        ADD(float, temperature, row);
        ADD(uint64_t, seed, row);
        ADD(uint64_t, offset, row);
        ADD(int32_t, invalid_token, 0);
        ADD(int32_t, hidden_index, row);
        ADD(int32_t, token_position, row);
        ((int32_t*)a[token])[row] = sum;
        if (a[status]) ((uint32_t*)a[status])[row] = absent;
        if (a[any_status] && row == 0) *(uint32_t*)a[any_status] = a[hidden_states + 1] * 1000 + a[weights + 1];
      }
    }
  )";
  LaunchSpec spec = plan.launch;
  spec.stage = "stage";
  spec.staged_stride = spec.contracted;
  spec.must_stage = false;
  spec.left_alignment = 1;
  spec.sweep = "sweep";
  spec.finish = "finish";
  return host_artifact(compile_c(text), spec);
}

TEST_CASE("a sampling head binds its arguments by name and shares kernels between buckets") {
  if (compile_c("int x;").empty()) return;
  const auto source = std::make_shared<FakeSource>(showing_artifact);
  const std::shared_ptr<Engine> engine = Engine::open("cpu", bare(source));
  alignas(16) const std::array<uint16_t, 4 * 24> weights = {};
  LmHeadOptions options;
  options.vocab_size = 4;
  options.hidden_size = 16;

  LmHead head(engine, options, weights.data(), 24);
  head.prepare(20, {0});
  CHECK(source->loads == 1);
  const Kernel* kernel = head.kernel_for(1);
  REQUIRE(kernel != nullptr);
  CHECK(head.kernel_for(20) == kernel);
  CHECK(head.kernel_for(0) == nullptr);
  CHECK(head.kernel_for(21) == nullptr);
  head.prepare(40, {0});
  CHECK(source->loads == 1);
  CHECK(head.kernel_for(1) == kernel);
  head.prepare(2, {0});
  CHECK(head.kernel_for(40) == kernel);
  for (int64_t rows = 1; rows <= 40; ++rows) {
    REQUIRE(head.workspace_bytes(rows) >= head.workspace_bytes(rows - 1));
    REQUIRE(head.workspace_bytes(rows) >= head.kernel_for(rows)->workspace_bytes(rows));
  }

  const Memory workspace(*engine, head.workspace_bytes(40));
  const std::array<uint16_t, 64> hidden = {};
  const std::array<int32_t, 2> row_slot = {1, 2};
  const int32_t num_rows = 20;
  const std::array<float, 2> temperature = {300, 400};
  const std::array<uint64_t, 2> seed = {5000, 6000};
  const std::array<uint64_t, 2> offset = {70000, 80000};
  const int32_t invalid_token = 900000;
  const std::array<int32_t, 2> hidden_index = {1000000, 2000000};
  const std::array<int32_t, 2> token_position = {30000000, 40000000};
  std::array<int32_t, 2> token = {};
  std::array<uint32_t, 2> status = {};
  uint32_t any_status = 0;
  std::array<float, 2> logprob = {};
  SampleArgs args;
  args.rows = 2;
  args.hidden_states = hidden.data();
  args.token = token.data();
  args.workspace = workspace.get();
  args.workspace_bytes = workspace.bytes();
  CHECK(head.sample(nullptr, args) == Status::ok);
  CHECK(token == std::array<int32_t, 2>{0, 0});

  args.row_slot = row_slot.data();
  args.num_rows = &num_rows;
  args.temperature = temperature.data();
  args.seed = seed.data();
  args.offset = offset.data();
  args.invalid_token = &invalid_token;
  args.hidden_index = hidden_index.data();
  args.token_position = token_position.data();
  args.status = status.data();
  args.any_status = &any_status;
  CHECK(head.sample(nullptr, args) == Status::ok);
  CHECK(token == std::array<int32_t, 2>{31975321, 42986422});
  CHECK(status == std::array<uint32_t, 2>{0, 0});
  CHECK(any_status == 16 * 1000 + 24);
  args.hidden_row_stride = 32;
  CHECK(head.sample(nullptr, args) == Status::ok);
  CHECK(any_status == 32 * 1000 + 24);

  auto status_with = [&](const std::function<void(SampleArgs&)>& change) {
    SampleArgs changed = args;
    change(changed);
    return head.sample(nullptr, changed);
  };
  CHECK(status_with([](SampleArgs& a) { a.rows = 41; }) == Status::too_many_rows);
  CHECK(status_with([](SampleArgs& a) { a.token = nullptr; }) == Status::invalid_argument);
  CHECK(status_with([](SampleArgs& a) { a.hidden_states = nullptr; }) == Status::invalid_argument);
  CHECK(status_with([](SampleArgs& a) { a.hidden_row_stride = 15; }) == Status::invalid_argument);
  CHECK(status_with([](SampleArgs& a) { a.workspace_bytes = 0; }) == Status::workspace_too_small);
  CHECK(status_with([&](SampleArgs& a) { a.logprob = logprob.data(); }) == Status::not_prepared);
}

}  // namespace
}  // namespace gumtile
