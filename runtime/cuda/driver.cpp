#include "runtime/cuda/driver.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <cstdlib>

#include "gumtile/error.h"

namespace gumtile::cuda {
namespace {

/// The symbol's address, null if there is none.
template <typename Function>
bool resolve(void* library, const char* symbol, Function*& function) {
  function = reinterpret_cast<Function*>(dlsym(library, symbol));
  return function != nullptr;
}

/// Fills `driver`; returns the first required symbol that `library` lacks, null if it has them all.
const char* resolve_all(void* library, Driver& driver) {
  const char* missing = nullptr;
#define GUMTILE_CUDA_FUNCTION(member, symbol, parameters) \
  if (!resolve(library, #symbol, driver.member) && missing == nullptr) missing = #symbol;
#define GUMTILE_CUDA_OPTIONAL_FUNCTION(member, symbol, parameters) resolve(library, #symbol, driver.member);
#include "runtime/cuda/driver_functions.inc"
  return missing;
}

constexpr std::string_view kAfterLoss =
    "; after a fault like this no call on the device's context succeeds any more: the process has to end";

/// What the user can do about `result`, with a leading "; ", or nothing.
std::string_view advice(CUresult result) {
  switch (result) {
    case CUresult::out_of_memory:
      return "; free device memory or use a smaller problem";
    case CUresult::stub_library:
      return "; this is the toolkit's stub of libcuda: take its folder out of LD_LIBRARY_PATH and install "
             "the "
             "NVIDIA driver";
    case CUresult::no_device:
      return "; check nvidia-smi and CUDA_VISIBLE_DEVICES";
    case CUresult::no_binary_for_gpu:
      return "; the kernel was compiled for another GPU: compile it for this one";
    case CUresult::jit_compiler_not_found:
      return "; install the driver's libnvidia-ptxjitcompiler";
    case CUresult::unsupported_ptx_version:
      return "; the driver is too old for this PTX: update it or compile for a lower PTX version";
    case CUresult::system_driver_mismatch:
      return "; libcuda and the kernel module differ in version: reboot, or reload the nvidia module";
    default:
      return "";
  }
}

/// Whether `result` can only come from a mistake in the request.
bool is_our_fault(CUresult result) {
  switch (result) {
    case CUresult::invalid_value:
    case CUresult::not_initialized:
    case CUresult::invalid_image:
    case CUresult::invalid_ptx:
    case CUresult::invalid_source:
    case CUresult::invalid_handle:
    case CUresult::not_found:
    case CUresult::launch_out_of_resources:
    case CUresult::cooperative_launch_too_large:
    case CUresult::stream_capture_unsupported:
    case CUresult::stream_capture_invalidated:
    case CUresult::stream_capture_merge:
    case CUresult::stream_capture_unmatched:
    case CUresult::stream_capture_unjoined:
    case CUresult::stream_capture_isolation:
    case CUresult::stream_capture_implicit:
    case CUresult::captured_event:
    case CUresult::stream_capture_wrong_thread:
    case CUresult::invalid_cluster_size:
      return true;
    default:
      return false;
  }
}

struct LoadedDriver {
  std::unique_ptr<const Driver> driver;
  std::string why_not;
  bool broken = false;
};

LoadedDriver load_once() {
  const char* name = std::getenv("GUMTILE_LIBCUDA");
  const bool named = name != nullptr && *name != '\0';
  LoadedDriver loaded;
  loaded.driver = Driver::open(named ? name : "libcuda.so.1", &loaded.why_not, &loaded.broken);
  return loaded;
}

const LoadedDriver& loaded_driver() {
  // Never destroyed: destructors of other static objects may still free device memory.
  static const LoadedDriver& loaded = *new LoadedDriver(load_once());
  return loaded;
}

}  // namespace

const Driver* Driver::load(std::string* why_not) {
  const LoadedDriver& loaded = loaded_driver();
  if (loaded.driver == nullptr && why_not != nullptr) *why_not = loaded.why_not;
  return loaded.driver.get();
}

bool Driver::is_broken() { return loaded_driver().broken; }

const Driver& Driver::require() {
  std::string why_not;
  const Driver* driver = load(&why_not);
  if (driver == nullptr) {
    throw Error(ErrorCode::device_unavailable, fmt::format("a CUDA GPU was asked for, but {}", why_not));
  }
  return *driver;
}

std::unique_ptr<const Driver> Driver::open(const std::string& library, std::string* why_not, bool* broken) {
  auto fail = [&](std::string reason, bool is_there = true) -> std::unique_ptr<const Driver> {
    if (why_not != nullptr) *why_not = std::move(reason);
    if (broken != nullptr) *broken = is_there;
    return nullptr;
  };
  void* handle = dlopen(library.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* reason = dlerror();
    // Without a driver the loader names the library itself, otherwise what that library lacks.
    const bool absent =
        reason == nullptr ||
        (!library.starts_with('/') && std::string_view(reason).starts_with(library + ": cannot open"));
    return fail(fmt::format("the CUDA driver library could not be loaded: {}; install the NVIDIA driver",
                            reason != nullptr ? reason : library),
                !absent);
  }
  auto driver = std::make_unique<Driver>();
  if (const char* missing = resolve_all(handle, *driver); missing != nullptr) {
    dlclose(handle);
    return fail(
        fmt::format("{} has no {}; install an NVIDIA driver for CUDA 11.4 or newer", library, missing));
  }
  // From here on the library is never closed: cuInit may have started threads.
  CUresult result = driver->cuInit(0);
  if (result == CUresult::success) result = driver->cuDriverGetVersion(&driver->version);
  if (result != CUresult::success) {
    return fail(
        fmt::format("{} could not be initialised: {}{}", library, describe(*driver, result), advice(result)),
        result != CUresult::no_device);
  }
  return driver;
}

std::string describe(const Driver& driver, CUresult result) {
  const char* name = nullptr;
  const char* text = nullptr;
  if (driver.cuGetErrorName(result, &name) != CUresult::success || name == nullptr) name = "CUDA error";
  if (driver.cuGetErrorString(result, &text) != CUresult::success || text == nullptr) text = "no description";
  return fmt::format("{} ({}): {}", name, static_cast<int>(result), text);
}

bool is_context_lost(CUresult result) noexcept {
  switch (result) {
    case CUresult::deinitialized:
    case CUresult::invalid_context:
    case CUresult::ecc_uncorrectable:
    case CUresult::nvlink_uncorrectable:
    case CUresult::illegal_address:
    case CUresult::launch_timeout:
    case CUresult::context_is_destroyed:
    case CUresult::assert_triggered:
    case CUresult::hardware_stack_error:
    case CUresult::illegal_instruction:
    case CUresult::misaligned_address:
    case CUresult::invalid_address_space:
    case CUresult::invalid_pc:
    case CUresult::launch_failed:
    case CUresult::unknown:
      return true;
    default:
      return false;
  }
}

void throw_error(const Driver& driver, CUresult result, std::string_view what) {
  const bool lost = is_context_lost(result);
  throw Error(
      lost                   ? ErrorCode::context_lost
      : is_our_fault(result) ? ErrorCode::internal
                             : ErrorCode::device_unavailable,
      fmt::format("{} failed with {}{}", what, describe(driver, result), lost ? kAfterLoss : advice(result)));
}

}  // namespace gumtile::cuda
