#include "tools/bench_ceiling.h"

#include <fmt/format.h>

#include "gumtile/error.h"
#include "runtime/cpu/bandwidth.h"
#include "runtime/cuda/bandwidth.h"
#include "runtime/cuda/device.h"

namespace gumtile::tools {
namespace {

constexpr size_t kBytes = size_t{1} << 30;

/// The GPU of an engine's device; its nominal bandwidth counts two transfers per clock, as in all GPU memory.
cuda::DeviceInfo find_gpu(const std::string& id) {
  for (const cuda::DeviceInfo& device : cuda::list_devices())
    if (fmt::format("cuda:{}", device.ordinal) == id) return device;
  throw Error(ErrorCode::device_unavailable, fmt::format("'{}' is gone", id));
}

}  // namespace

ReadCeiling measure_read_ceiling(const std::shared_ptr<Engine>& engine, size_t bytes) {
  if (engine->device().target.is_cuda()) {
    const cuda::DeviceInfo gpu = find_gpu(engine->device().id);
    const double paper = 2.0 * gpu.memory_clock_khz * 1e3 * gpu.memory_bus_bits / 8;
    return {cuda::measure_read_bandwidth(gpu.ordinal, bytes), "read (plain kernel)", paper};
  }
  cpu::ThreadPool pool(engine->device().workers);
  return {cpu::measure_read_bandwidth(pool, kBytes), "read (all threads)", 0};
}

}  // namespace gumtile::tools
