#include "runtime/cuda/bandwidth.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "runtime/cuda/device.h"
#include "runtime/cuda/memory.h"
#include "runtime/cuda/module.h"
#include "runtime/cuda/stream.h"

namespace gumtile::cuda {
namespace {

constexpr int kThreads = 512;
constexpr int kBlocksPerMultiprocessor = 4;
constexpr size_t kPasses = 21;
constexpr size_t kEnough = size_t{1} << 30;  // several times the largest last-level caches
constexpr int kUnroll = 8;                   // independent 16-byte loads in flight per thread

/// Every thread xors 16-byte words that are one grid apart; the store never happens, but keeps the loads
/// alive.
std::string read_kernel() {
  std::string loads;
  std::string folds;
  for (int i = 0; i < kUnroll; ++i) {
    loads += fmt::format(
        "  ld.global.nc.v4.u32 {{%a{0}, %b{0}, %c{0}, %d{0}}}, [%at];\n  add.u64 %at, %at, %step;\n", i);
    for (char part : {'a', 'b', 'c', 'd'}) folds += fmt::format("  xor.b32 %sum, %sum, %{}{};\n", part, i);
  }
  return R"(.version 6.0
.target sm_70
.address_size 64
.visible .entry read_all(.param .u64 data, .param .u32 rounds, .param .u64 result)
{
  .reg .u32 %a<8>, %b<8>, %c<8>, %d<8>, %sum, %left, %thread, %block, %threads, %blocks, %id, %all;
  .reg .u64 %at, %step, %out;
  .reg .pred %more, %never;
  ld.param.u64 %at, [data];
  ld.param.u32 %left, [rounds];
  mov.u32 %thread, %tid.x;
  mov.u32 %block, %ctaid.x;
  mov.u32 %threads, %ntid.x;
  mov.u32 %blocks, %nctaid.x;
  mad.lo.u32 %id, %block, %threads, %thread;
  mul.lo.u32 %all, %threads, %blocks;
  mul.wide.u32 %step, %all, 16;
  mul.wide.u32 %out, %id, 16;
  add.u64 %at, %at, %out;
  mov.u32 %sum, 0;
again:
)" + loads +
         folds + R"(  sub.u32 %left, %left, 1;
  setp.ne.u32 %more, %left, 0;
  @%more bra again;
  setp.eq.u32 %never, %sum, 0x5bd1e995;
  ld.param.u64 %out, [result];
  @%never st.global.u32 [%out], %sum;
  ret;
}
)";
}

}  // namespace

double measure_read_bandwidth(int ordinal, size_t bytes) {
  const Context context = Context::primary(ordinal);
  const Driver& driver = context.driver();
  const ScopedContext current = context.push();
  const Module module = Module::load_ptx(driver, read_kernel());
  const Function function = module.function("read_all");
  const auto blocks =
      static_cast<unsigned>(device_info(driver, ordinal).multiprocessors * kBlocksPerMultiprocessor);
  const size_t round_bytes = size_t{16} * kUnroll * kThreads * blocks;
  auto rounds = static_cast<unsigned>(std::max<size_t>(bytes / round_bytes, 1));
  // Passes read one window after the other, so that no cache holds what is read next.
  const size_t window = round_bytes * rounds;
  const size_t windows = std::max<size_t>(kEnough / window, 1);
  DeviceBuffer data(driver, window * windows);
  data.zero();
  DeviceBuffer result(driver, 4);
  const Stream stream(driver);
  CUdeviceptr result_address = result.address();
  std::vector<double> times_us;
  for (size_t pass = 0; pass < kPasses; ++pass) {
    CUdeviceptr data_address = data.address() + pass % windows * window;
    void* parameters[] = {&data_address, &rounds, &result_address};
    Event start(driver, true);
    Event end(driver, true);
    start.record(stream.handle());
    check(driver,
          driver.cuLaunchKernel(function.handle(), blocks, 1, 1, kThreads, 1, 1, 0, stream.handle(),
                                parameters, nullptr),
          "launching the read kernel");
    end.record(stream.handle());
    end.synchronize();
    times_us.push_back(elapsed_us(driver, start, end));
  }
  std::nth_element(times_us.begin(), times_us.begin() + kPasses / 2, times_us.end());
  return static_cast<double>(window) / (times_us[kPasses / 2] * 1e-6);
}

}  // namespace gumtile::cuda
