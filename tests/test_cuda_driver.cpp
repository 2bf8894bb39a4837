// The driver layer. Tests that need a GPU are skipped, with a message, if there is none.
#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "gumtile/error.h"
#include "runtime/cuda/device.h"
#include "runtime/cuda/graph.h"
#include "runtime/cuda/memory.h"
#include "runtime/cuda/module.h"
#include "runtime/cuda/stream.h"

namespace gumtile::cuda {
namespace {

/// Adds `amount` to each of `count` words: one thread per word.
const std::string kAddKernel = R"(
.version 6.4
.target sm_75
.address_size 64
.visible .entry add(.param .u64 words, .param .u32 count, .param .u32 amount)
{
  .reg .pred %p;
  .reg .b32 %r<8>;
  .reg .b64 %d<4>;
  ld.param.u64 %d0, [words];
  ld.param.u32 %r0, [count];
  ld.param.u32 %r1, [amount];
  mov.u32 %r2, %ctaid.x;
  mov.u32 %r3, %ntid.x;
  mov.u32 %r4, %tid.x;
  mad.lo.u32 %r5, %r2, %r3, %r4;
  setp.ge.u32 %p, %r5, %r0;
  @%p bra done;
  cvta.to.global.u64 %d1, %d0;
  mul.wide.u32 %d2, %r5, 4;
  add.u64 %d3, %d1, %d2;
  ld.global.u32 %r6, [%d3];
  add.u32 %r7, %r6, %r1;
  st.global.u32 [%d3], %r7;
done:
  ret;
}
)";

/// Device 0's primary context; nothing (and a message) without a GPU.
std::optional<Context> gpu() {
  std::string why_not;
  if (list_devices(&why_not).empty()) {
    MESSAGE("skipped: " << why_not);
    return std::nullopt;
  }
  return Context::primary(0);
}

void launch_add(const Driver& driver, const Function& function, CUdeviceptr words, uint32_t count,
                uint32_t amount, CUstream stream) {
  std::array<void*, 3> parameters = {&words, &count, &amount};
  check(driver,
        driver.cuLaunchKernel(function.handle(), (count + 127) / 128, 1, 1, 128, 1, 1, 0, stream,
                              parameters.data(), nullptr),
        "launching add");
}

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

TEST_CASE("a missing libcuda is reported, not fatal") {
  std::string why_not;
  CHECK(Driver::open("libgumtile-no-such-library.so.1", &why_not) == nullptr);
  CHECK(why_not.find("libgumtile-no-such-library.so.1") != std::string::npos);
  CHECK(why_not.find("install the NVIDIA driver") != std::string::npos);
  CHECK(Driver::open("libgumtile-no-such-library.so.1", nullptr) == nullptr);
}

TEST_CASE("a library that is no CUDA driver is refused by its missing function") {
  std::string why_not;
  CHECK(Driver::open("libc.so.6", &why_not) == nullptr);
  CHECK(why_not.find("has no cuInit") != std::string::npos);
}

TEST_CASE("the driver is loaded once, from any thread, or says why not") {
  std::array<const Driver*, 4> loaded = {};
  std::vector<std::thread> threads;
  for (const Driver*& slot : loaded) threads.emplace_back([&slot] { slot = Driver::load(); });
  for (std::thread& thread : threads) thread.join();
  std::string why_not;
  for (const Driver* driver : loaded) CHECK(driver == Driver::load(&why_not));
  if (loaded[0] != nullptr) {
    CHECK(loaded[0]->version >= 11040);
    CHECK(&Driver::require() == loaded[0]);
    return;
  }
  CHECK(!why_not.empty());
  std::string reason;
  CHECK(list_devices(&reason).empty());
  CHECK(reason == why_not);
  const Error error = error_of([] { Driver::require(); });
  CHECK(error.code() == ErrorCode::device_unavailable);
  CHECK(std::string(error.what()).find(why_not) != std::string::npos);
  CHECK(error_of([] { Context::primary(0); }).code() == ErrorCode::device_unavailable);
}

TEST_CASE("failed calls become errors that name the result, the call and the culprit") {
  Driver driver;
  driver.cuGetErrorName = [](CUresult, const char** name) {
    *name = "CUDA_ERROR_SOMETHING";
    return CUresult::success;
  };
  driver.cuGetErrorString = [](CUresult result, const char** text) {
    *text = "something happened";
    return result == CUresult::unknown ? CUresult::invalid_value : CUresult::success;
  };
  CHECK_NOTHROW(check(driver, CUresult::success, "nothing"));
  const Error ours =
      error_of([&] { check(driver, CUresult::launch_out_of_resources, "launching a kernel"); });
  CHECK(ours.code() == ErrorCode::internal);
  CHECK(std::string(ours.what()) ==
        "launching a kernel failed with CUDA_ERROR_SOMETHING (701): something happened");
  const Error theirs = error_of([&] { check(driver, CUresult::out_of_memory, "allocating"); });
  CHECK(theirs.code() == ErrorCode::device_unavailable);
  CHECK(std::string(theirs.what()).find("free device memory") != std::string::npos);
  const Error lost = error_of([&] { check(driver, CUresult::illegal_address, "waiting"); });
  CHECK(lost.code() == ErrorCode::context_lost);
  CHECK(std::string(lost.what()).find("the process has to end") != std::string::npos);
  CHECK(describe(driver, CUresult::unknown) == "CUDA_ERROR_SOMETHING (999): no description");
}

TEST_CASE("devices are described") {
  std::string why_not;
  const std::vector<DeviceInfo> devices = list_devices(&why_not);
  if (devices.empty()) MESSAGE("skipped: " << why_not);
  for (const DeviceInfo& device : devices) {
    CHECK(!device.name.empty());
    CHECK(device.sm_major >= 5);
    CHECK(device.multiprocessors > 0);
    CHECK(device.memory_bytes > size_t{1} << 28);
    CHECK(device.l2_bytes > 0);
    CHECK(device.max_smem_per_block_optin >= 48 * 1024);
    CHECK(device.memory_bus_bits > 0);
    CHECK(device.driver_version == Driver::load()->version);
  }
  if (!devices.empty()) {
    const int beyond = static_cast<int>(devices.size());
    CHECK(error_of([&] { Context::primary(beyond); }).code() == ErrorCode::device_unavailable);
  }
}

TEST_CASE("contexts are pushed, restored, and moved") {
  std::optional<Context> context = gpu();
  if (!context) return;
  const Driver& driver = context->driver();
  auto current = [&] {
    CUcontext now = nullptr;
    driver.cuCtxGetCurrent(&now);
    return now;
  };
  const CUcontext before = current();
  {
    const ScopedContext scope = context->push();
    CHECK(current() == context->handle());
  }
  CHECK(current() == before);
  Context moved = std::move(*context);
  CHECK(context->handle() == nullptr);
  const ScopedContext scope = moved.push();
  CHECK(current() == moved.handle());
}

TEST_CASE("device memory is copied and cleared") {
  std::optional<Context> context = gpu();
  if (!context) return;
  DeviceBuffer outlives_scope;
  {
    const ScopedContext scope = context->push();
    DeviceBuffer buffer(context->driver(), 4096);
    CHECK(buffer.address() % 256 == 0);
    std::vector<uint8_t> host(4096);
    for (size_t index = 0; index < host.size(); ++index) host[index] = static_cast<uint8_t>(index * 7);
    buffer.copy_from_host(host.data(), host.size());
    std::vector<uint8_t> part(100);
    buffer.copy_to_host(part.data(), part.size(), 1000);
    CHECK(part == std::vector<uint8_t>(host.begin() + 1000, host.begin() + 1100));
    buffer.zero();
    buffer.copy_to_host(host.data(), host.size());
    CHECK(host == std::vector<uint8_t>(4096, 0));
    CHECK(error_of([&] { buffer.copy_to_host(part.data(), 100, 4000); }).code() == ErrorCode::internal);

    DeviceBuffer empty(context->driver(), 0);
    CHECK(empty.address() == 0);
    empty.zero();
    const Error error = error_of([&] { DeviceBuffer(context->driver(), size_t{1} << 60); });
    CHECK(error.code() == ErrorCode::device_unavailable);
    outlives_scope = std::move(buffer);
    CHECK(buffer.address() == 0);
    CHECK(buffer.bytes() == 0);
  }
  CHECK(outlives_scope.bytes() == 4096);
  // Freed here with no context current.
}

TEST_CASE("PTX is compiled, launched, timed, and kept as a cubin") {
  std::optional<Context> context = gpu();
  if (!context) return;
  const Driver& driver = context->driver();
  const ScopedContext scope = context->push();
  constexpr uint32_t kCount = 1000;
  DeviceBuffer words(driver, kCount * sizeof(uint32_t));
  words.zero();
  Stream stream(driver);
  Event start(driver, true);
  Event end(driver, true);

  // Twice: the second time the driver may take it from its cache.
  for (const Module& module : {Module::load_ptx(driver, kAddKernel), Module::load_ptx(driver, kAddKernel)}) {
    const Function add = module.function("add");
    add.load();
    add.set_max_dynamic_shared_bytes(48 * 1024);
    CHECK(add.registers() > 0);
    CHECK(add.local_bytes() == 0);
    CHECK(add.static_shared_bytes() == 0);
    CHECK(add.max_threads_per_block() >= 128);
    CHECK(add.max_active_blocks(128, 0) > 0);
    start.record(stream.handle());
    launch_add(driver, add, words.address(), kCount, 3, stream.handle());
    end.record(stream.handle());
    end.synchronize();
    CHECK(end.query());
    CHECK(elapsed_us(driver, start, end) > 0);
    CHECK(error_of([&] { module.function("subtract"); }).code() == ErrorCode::internal);
    CHECK(error_of([&] { add.set_max_dynamic_shared_bytes(1 << 30); }).code() == ErrorCode::internal);
  }
  std::vector<uint32_t> host(kCount);
  words.copy_to_host(host.data(), words.bytes());
  CHECK(host == std::vector<uint32_t>(kCount, 6));
}

TEST_CASE("bad PTX fails with the compiler's log") {
  std::optional<Context> context = gpu();
  if (!context) return;
  const ScopedContext scope = context->push();
  std::string ptx = kAddKernel;
  ptx.replace(ptx.find("mul.wide.u32"), 12, "mul.wibe.u32");
  const Error loading = error_of([&] { Module::load_ptx(context->driver(), ptx); });
  CHECK(loading.code() == ErrorCode::internal);
  REQUIRE(!loading.notes().empty());
  CHECK(loading.notes()[0].find("wibe") != std::string::npos);
}

TEST_CASE("a captured graph replays its work, and a failed capture leaves the stream usable") {
  std::optional<Context> context = gpu();
  if (!context) return;
  const Driver& driver = context->driver();
  const ScopedContext scope = context->push();
  constexpr uint32_t kCount = 300;
  DeviceBuffer words(driver, kCount * sizeof(uint32_t));
  words.zero();
  const Module module = Module::load_ptx(driver, kAddKernel);
  const Function add = module.function("add");
  add.load();
  Stream stream(driver);

  CHECK_THROWS_AS(
      GraphExec::capture(driver, stream.handle(), [](CUstream) { throw std::runtime_error("stop"); }),
      std::runtime_error);
  GraphExec graph = GraphExec::capture(driver, stream.handle(), [&](CUstream capturing) {
    CUstreamCaptureStatus status = CUstreamCaptureStatus::none;
    check(driver, driver.cuStreamIsCapturing(capturing, &status), "asking for the capture status");
    CHECK(status == CUstreamCaptureStatus::active);
    launch_add(driver, add, words.address(), kCount, 1, capturing);
    launch_add(driver, add, words.address(), kCount, 10, capturing);
  });
  for (int replay = 0; replay < 3; ++replay) graph.launch(stream.handle());
  stream.synchronize();
  std::vector<uint32_t> host(kCount);
  words.copy_to_host(host.data(), words.bytes());
  CHECK(host == std::vector<uint32_t>(kCount, 33));

  // Waiting for a capturing stream is an error and invalidates the capture.
  CHECK(error_of([&] {
          GraphExec::capture(driver, stream.handle(),
                             [&](CUstream capturing) { driver.cuStreamSynchronize(capturing); });
        }).code() == ErrorCode::internal);
  stream.synchronize();
}

TEST_CASE("one stream waits for an event of another") {
  std::optional<Context> context = gpu();
  if (!context) return;
  const Driver& driver = context->driver();
  const ScopedContext scope = context->push();
  DeviceBuffer words(driver, 4);
  words.zero();
  const Module module = Module::load_ptx(driver, kAddKernel);
  const Function add = module.function("add");
  Stream first(driver);
  Stream second(driver);
  Event done(driver);
  launch_add(driver, add, words.address(), 1, 5, first.handle());
  done.record(first.handle());
  second.wait(done);
  uint32_t value = 0;
  words.copy_to_host(&value, sizeof(value), 0, second.handle());
  CHECK(value == 5);
}

}  // namespace
}  // namespace gumtile::cuda
