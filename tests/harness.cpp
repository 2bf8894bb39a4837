#include "tests/harness.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <stdexcept>
#include <string_view>
#include <thread>
#include <utility>

#include "gumtile/assembler.h"
#include "gumtile/error.h"
#include "gumtile/jit.h"
#include "runtime/engine/parallel.h"

namespace gumtile::test {

float Array::get(int64_t i) const {
  uint32_t bits = 0;
  std::memcpy(&bits, bytes.data() + i * static_cast<int64_t>(size_bytes(dtype)), size_bytes(dtype));
  return float_from_bits(dtype, bits);
}

void Array::set(int64_t i, float value) {
  const uint32_t bits = bits_from_float(dtype, value);
  std::memcpy(bytes.data() + i * static_cast<int64_t>(size_bytes(dtype)), &bits, size_bytes(dtype));
}

Array make_array(DType dtype, int64_t rows, int64_t columns, int64_t row_stride) {
  Array a;
  a.dtype = dtype;
  a.rows = rows;
  a.columns = columns;
  a.row_stride = row_stride == 0 ? columns : row_stride;
  a.bytes.resize(static_cast<size_t>(rows * a.row_stride) * size_bytes(dtype));
  return a;
}

uint64_t Random::next() {
  uint64_t z = (state_ += 0x9E3779B97F4A7C15);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

float Random::normal() {
  const uint64_t bits = next();
  float sum = 0;
  for (int i = 0; i < 4; ++i) sum += static_cast<float>((bits >> (16 * i)) & 0xffff);
  return (sum * 0x1p-16f - 2.0f) * 1.7320508f;
}

void fill_normal(Array& a, Random& random, float scale) {
  const auto n = static_cast<int64_t>(a.bytes.size() / size_bytes(a.dtype));
  for (int64_t i = 0; i < n; ++i) a.set(i, random.normal() * scale);
}

Array& Case::input(const std::string& name) {
  for (size_t i = 0; i < program.inputs.size(); ++i)
    if (program.inputs[i].name == name) return inputs[i];
  throw std::logic_error("no input " + name);
}

Case make_case(const Program& program, const Extents& extents, int64_t slots) {
  Case c{program, extents, {}};
  for (const InputInfo& input : program.inputs) {
    if (input.optional) {
      c.inputs.push_back(absent(input.dtype));
      continue;
    }
    auto extent = [&](AxisId axis) {
      if (axis == program.row_axis) return extents.rows;
      if (axis == program.column_axis) return extents.columns;
      for (const ContractionInfo& contraction : program.contractions)
        if (axis == contraction.axis) return extents.contracted;
      return slots;
    };
    if (input.axes.size() == 2)
      c.inputs.push_back(make_array(input.dtype, extent(input.axes[0]), extent(input.axes[1])));
    else
      c.inputs.push_back(make_array(input.dtype, 1, input.axes.empty() ? 1 : extent(input.axes[0])));
  }
  return c;
}

const Array& output(const Program& program, const Outputs& outputs, const std::string& name) {
  for (size_t i = 0; i < program.outputs.size(); ++i)
    if (program.outputs[i].name == name) return outputs[i];
  throw std::logic_error("no output " + name);
}

namespace {

Outputs make_outputs(const Case& c) {
  Outputs outputs;
  for (const OutputInfo& info : c.program.outputs) {
    const bool tile = info.kind == OutputInfo::Kind::tile;
    const int64_t n = info.kind == OutputInfo::Kind::any          ? 1
                      : info.position != kNone && c.positions > 0 ? c.positions
                                                                  : c.extents.rows;
    outputs.push_back(tile ? make_array(info.dtype, c.extents.rows, c.extents.columns)
                           : make_array(info.dtype, 1, n));
    std::fill(outputs.back().bytes.begin(), outputs.back().bytes.end(), std::byte{0x5a});
  }
  return outputs;
}

/// Memory of an engine, freed with the object. Sizes are rounded up, so that empty arrays have addresses too.
class DeviceArray {
 public:
  DeviceArray(Engine& engine, size_t bytes) : engine_(engine), data_(engine.allocate(bytes + 256)) {}
  ~DeviceArray() { engine_.release(data_); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;
  void* data() const { return data_; }

 private:
  Engine& engine_;
  void* data_;
};

/// Largest power of two up to 16 that divides the row's bytes.
int alignment_of(const Array& a) {
  const int64_t bytes = a.row_stride * static_cast<int64_t>(size_bytes(a.dtype));
  int alignment = 16;
  while (bytes % alignment != 0) alignment /= 2;
  return alignment;
}

Problem problem_of(const Case& c) {
  Problem problem{c.extents.columns, c.extents.contracted, std::max<int64_t>(c.extents.rows, 1), 16,
                  c.first_column};
  for (const ContractionInfo& contraction : c.program.contractions)
    problem.weights_alignment = alignment_of(c.inputs[contraction.right]);
  return problem;
}

}  // namespace

Outputs run_interpreter(const Case& c, Observations* observe) {
  Outputs outputs = make_outputs(c);
  std::vector<BoundInput> in;
  std::vector<BoundOutput> out;
  for (const Array& a : c.inputs) in.push_back({a.absent ? nullptr : a.bytes.data(), a.row_stride});
  for (Array& a : outputs) out.push_back({a.bytes.data(), a.row_stride});
  interpret(c.program, c.extents, in, out, observe);
  return outputs;
}

Outputs run_engine(const Case& c, Engine& engine, const Schedule& schedule) {
  const Kernel kernel = engine.load(make_plan(c.program, problem_of(c), schedule, engine.device().target));
  std::vector<std::unique_ptr<DeviceArray>> memory;
  auto upload = [&](const Array& a) {
    memory.push_back(std::make_unique<DeviceArray>(engine, a.bytes.size()));
    if (!a.bytes.empty()) engine.copy_to_device(memory.back()->data(), a.bytes.data(), a.bytes.size());
    return memory.back()->data();
  };
  Outputs outputs = make_outputs(c);
  std::vector<Binding> in;
  std::vector<Binding> out;
  for (const Array& a : c.inputs) in.push_back({a.absent ? nullptr : upload(a), a.row_stride});
  for (const Array& a : outputs) out.push_back({upload(a), a.row_stride});
  const size_t bytes = kernel.workspace_bytes(c.extents.rows);
  const DeviceArray workspace(engine, bytes);
  kernel.workspace_init(nullptr, workspace.data(), bytes);
  const Status status = kernel.launch(nullptr, c.extents.rows, in, out, workspace.data(), bytes);
  if (status != Status::ok) throw std::runtime_error("launch: " + std::string(name(status)));
  engine.synchronize();
  for (size_t i = 0; i < outputs.size(); ++i)
    if (!outputs[i].bytes.empty())
      engine.copy_to_host(outputs[i].bytes.data(), out[i].data, outputs[i].bytes.size());
  return outputs;
}

std::vector<Kernel> load_all(const Case& c, Engine& engine, const std::vector<Schedule>& schedules) {
  std::vector<std::optional<Kernel>> loaded(schedules.size());
  engine::run_in_parallel(
      schedules.size(), static_cast<int>(std::max(1U, std::thread::hardware_concurrency())),
      [&](size_t i) {
        loaded[i] = engine.load(make_plan(c.program, problem_of(c), schedules[i], engine.device().target));
      },
      [](size_t) { return true; });
  std::vector<Kernel> kernels;
  for (std::optional<Kernel>& kernel : loaded) kernels.push_back(std::move(*kernel));
  return kernels;
}

Outputs run_engine(const Case& c, Engine& engine) {
  return run_engine(c, engine, default_schedule(c.program, problem_of(c), engine.device().target));
}

namespace {

std::shared_ptr<Engine> open_or_null(const char* device) {
  try {
    EngineOptions
        options;  // without a cache, so that what is compiled is what is tested, and without records
    options.source = with_assembler(make_jit());
    return Engine::open(device, options);
  } catch (const Error& error) {
    fmt::print(stderr, "no engine on {}: {}\n", device, error.what());
    return nullptr;
  }
}

}  // namespace

std::shared_ptr<Engine> cpu_engine() {
  static const std::shared_ptr<Engine> engine = open_or_null("cpu");
  return engine;
}

std::shared_ptr<Engine> gpu_engine() {
  static const std::shared_ptr<Engine> engine = open_or_null("cuda:0");
  return engine;
}

std::vector<std::shared_ptr<Engine>> engines() {
  const char* only = std::getenv("GUMTILE_TEST_DEVICE");
  std::vector<std::shared_ptr<Engine>> all;
  if (!only || std::string_view(only) == "cpu") all.push_back(cpu_engine());
  if ((!only || std::string_view(only) != "cpu") && gpu_engine()) all.push_back(gpu_engine());
  return all;
}

std::vector<Schedule> sample_schedules(const Program& program, const Problem& problem, const Target& target,
                                       Random& random, size_t count) {
  // Equally many of each family, as far as there are.
  std::map<std::string_view, std::vector<Schedule>> families;
  for (const Schedule& schedule : schedule_space(program, problem, target))
    families[schedule.family_name()].push_back(schedule);
  if (target.is_cuda())
    for (int copy : {8, 4, 2}) {
      const Schedule narrow{MmaSyncSchedule{16, 128, 4, 1, 2, copy}};
      try {
        make_plan(program, problem, narrow, target);
        families["mma_sync"].push_back(narrow);
      } catch (const Error&) {  // not legal here
      }
    }
  std::vector<Schedule> chosen{default_schedule(program, problem, target)};
  while (chosen.size() < count && !families.empty()) {
    for (auto it = families.begin(); it != families.end() && chosen.size() < count;) {
      std::vector<Schedule>& rest = it->second;
      const size_t pick = random.below(rest.size());
      chosen.push_back(rest[pick]);
      rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(pick));
      it = rest.empty() ? families.erase(it) : std::next(it);
    }
  }
  return chosen;
}

}  // namespace gumtile::test
