#include "runtime/cuda/device.h"

#include <fmt/format.h>

#include <utility>

#include "gumtile/error.h"

namespace gumtile::cuda {
namespace {

CUdevice find_device(const Driver& driver, int ordinal) {
  int count = 0;
  check(driver, driver.cuDeviceGetCount(&count), "counting the CUDA devices");
  if (ordinal < 0 || ordinal >= count) {
    throw Error(ErrorCode::device_unavailable,
                fmt::format("there is no device cuda:{}: {} visible (see CUDA_VISIBLE_DEVICES)", ordinal,
                            count == 0   ? "none is"
                            : count == 1 ? "only cuda:0 is"
                                         : fmt::format("cuda:0 to cuda:{} are", count - 1)));
  }
  CUdevice device = 0;
  check(driver, driver.cuDeviceGet(&device, ordinal), fmt::format("opening device cuda:{}", ordinal));
  return device;
}

}  // namespace

DeviceInfo device_info(const Driver& driver, int ordinal) {
  const CUdevice device = find_device(driver, ordinal);
  const std::string what = fmt::format("describing device cuda:{}", ordinal);
  auto attribute = [&](CUdevice_attribute which) {
    int value = 0;
    check(driver, driver.cuDeviceGetAttribute(&value, which, device), what);
    return value;
  };

  DeviceInfo info;
  char name[256] = {};
  check(driver, driver.cuDeviceGetName(name, sizeof(name) - 1, device), what);
  check(driver, driver.cuDeviceTotalMem(&info.memory_bytes, device), what);
  info.ordinal = ordinal;
  info.name = name;
  info.sm_major = attribute(CUdevice_attribute::compute_capability_major);
  info.sm_minor = attribute(CUdevice_attribute::compute_capability_minor);
  info.multiprocessors = attribute(CUdevice_attribute::multiprocessor_count);
  info.l2_bytes = static_cast<size_t>(attribute(CUdevice_attribute::l2_cache_size_bytes));
  info.max_smem_per_block_optin = attribute(CUdevice_attribute::max_shared_memory_per_block_optin);
  info.max_smem_per_multiprocessor = attribute(CUdevice_attribute::max_shared_memory_per_multiprocessor);
  info.max_registers_per_multiprocessor = attribute(CUdevice_attribute::max_registers_per_multiprocessor);
  info.memory_clock_khz = attribute(CUdevice_attribute::memory_clock_rate_khz);
  info.memory_bus_bits = attribute(CUdevice_attribute::global_memory_bus_width_bits);
  info.driver_version = driver.version;
  return info;
}

std::vector<DeviceInfo> list_devices(std::string* why_not) {
  const Driver* driver = Driver::load(why_not);
  if (driver == nullptr) return {};
  int count = 0;
  check(*driver, driver->cuDeviceGetCount(&count), "counting the CUDA devices");
  if (count == 0 && why_not != nullptr)
    *why_not = "the CUDA driver lists no device; check CUDA_VISIBLE_DEVICES";
  std::vector<DeviceInfo> devices;
  devices.reserve(static_cast<size_t>(count));
  for (int ordinal = 0; ordinal < count; ++ordinal) devices.push_back(device_info(*driver, ordinal));
  return devices;
}

ScopedContext::ScopedContext(const Driver& driver, CUcontext context) : driver_(driver) {
  check(driver, driver.cuCtxPushCurrent(context), "making a CUDA context current");
}

ScopedContext::~ScopedContext() {
  CUcontext popped = nullptr;
  driver_.cuCtxPopCurrent(&popped);
}

Context Context::primary(int ordinal) {
  const Driver& driver = Driver::require();
  Context context(driver, find_device(driver, ordinal));
  check(driver, driver.cuDevicePrimaryCtxRetain(&context.context_, context.device_),
        fmt::format("retaining the primary context of device cuda:{}", ordinal));
  context.retained_ = true;
  return context;
}

Context Context::current(int ordinal) {
  const Driver& driver = Driver::require();
  Context context(driver, find_device(driver, ordinal));
  check(driver, driver.cuCtxGetCurrent(&context.context_), "asking for the current CUDA context");
  CUdevice device = 0;
  if (context.context_ == nullptr || driver.cuCtxGetDevice(&device) != CUresult::success ||
      device != context.device_)
    throw Error(
        ErrorCode::usage,
        fmt::format("the calling thread's current CUDA context was to be used, but {}; make a context "
                    "of device cuda:{} current first",
                    context.context_ == nullptr ? "there is none" : "it is of another device", ordinal));
  return context;
}

Context::~Context() { release(); }

Context::Context(Context&& other) noexcept
    : driver_(other.driver_),
      device_(other.device_),
      context_(std::exchange(other.context_, nullptr)),
      retained_(std::exchange(other.retained_, false)) {}

Context& Context::operator=(Context&& other) noexcept {
  if (this != &other) {
    release();
    driver_ = other.driver_;
    device_ = other.device_;
    context_ = std::exchange(other.context_, nullptr);
    retained_ = std::exchange(other.retained_, false);
  }
  return *this;
}

void Context::release() noexcept {
  // A failure here means that the driver is shutting down: nothing is left to release.
  if (retained_) driver_->cuDevicePrimaryCtxRelease(device_);
  context_ = nullptr;
  retained_ = false;
}

}  // namespace gumtile::cuda
