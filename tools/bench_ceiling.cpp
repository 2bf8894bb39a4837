#include "tools/bench_ceiling.h"

#include <fmt/format.h>

#include <algorithm>

#include "gumtile/dsl_functions.h"
#include "runtime/cpu/bandwidth.h"
#include "runtime/cuda/device.h"
#include "tools/synthetic.h"

namespace gumtile::tools {
namespace {

constexpr size_t kBytes = size_t{1} << 30;

/// The largest value of each row: reads a matrix once and does next to nothing with it.
Program row_max() {
  ProgramBuilder p("row_max");
  const Axis row = p.axis("row");
  const Axis column = p.axis("column");
  p.rows(row);
  p.columns(column);
  const Tensor x = p.input("x", DType::f32, {row, column});
  p.output("max", reduce_max(p, x.at({p.index(row), p.index(column)}), column));
  return p.build();
}

double measure_gpu_read(const std::shared_ptr<Engine>& engine) {
  constexpr int64_t kRows = 64;
  constexpr int64_t kColumns = static_cast<int64_t>(kBytes / sizeof(float)) / kRows;
  const Program program = row_max();
  const DeviceArray matrix = synthetic_array(engine, kRows * kColumns, DType::f32, 2, 1.0f);
  const DeviceArray result(engine, kRows * sizeof(float));
  const Problem problem{kColumns, 0, kRows, 16};
  double best_us = 0;
  for (int block_batch : {8, 16, 32}) {
    SimtSchedule schedule;
    schedule.block_batch = block_batch;
    const Kernel kernel = engine->load(make_plan(program, problem, {schedule}, engine->device().target));
    const size_t workspace_bytes = kernel.workspace_bytes(kRows);
    const DeviceArray workspace(engine, workspace_bytes);
    const Binding input{matrix.data(), kColumns};
    const Binding output{result.data(), 0};
    const auto launch = [&](StreamHandle stream) {
      return kernel.launch(stream, kRows, {&input, 1}, {&output, 1}, workspace.data(), workspace_bytes);
    };
    const double us = engine->time(launch, 10).median_us;
    best_us = best_us == 0 ? us : std::min(best_us, us);
  }
  return static_cast<double>(kBytes) / (best_us * 1e-6);
}

/// Two transfers a clock, as in all memory that GPUs have.
double peak_on_paper(const std::string& id) {
  for (const cuda::DeviceInfo& device : cuda::list_devices())
    if (fmt::format("cuda:{}", device.ordinal) == id)
      return 2.0 * device.memory_clock_khz * 1e3 * device.memory_bus_bits / 8;
  return 0;
}

}  // namespace

ReadCeiling measure_read_ceiling(const std::shared_ptr<Engine>& engine) {
  if (engine->device().target.is_cuda())
    return {measure_gpu_read(engine), "read (simt max)", peak_on_paper(engine->device().id)};
  cpu::ThreadPool pool(engine->device().workers);
  return {cpu::measure_read_bandwidth(pool, kBytes), "read (all threads)", 0};
}

}  // namespace gumtile::tools
