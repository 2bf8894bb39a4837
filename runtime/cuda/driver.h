#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "runtime/cuda/driver_types.h"

namespace gumtile::cuda {

/// The CUDA driver's functions, found in libcuda at run time. Members have the manual's names (`cuMemAlloc`)
/// and point to the current version of each function; see driver_functions.inc for the list and for the few
/// that may be null. Immutable once loaded, hence safe to use from any thread.
struct Driver {
#define GUMTILE_CUDA_FUNCTION(member, symbol, parameters) CUresult(*member) parameters = nullptr;
#include "runtime/cuda/driver_functions.inc"

  /// The newest CUDA version this driver supports, as 1000 * major + 10 * minor (12040 is CUDA 12.4).
  int version = 0;

  /// The process's driver, loaded and initialised (`cuInit`) by the first call and kept until exit. Null if
  /// there is none or it cannot be used; `why_not` (if given) then says why. The library is `libcuda.so.1`,
  /// or what the environment variable GUMTILE_LIBCUDA names at the first call. Thread safe.
  static const Driver* load(std::string* why_not = nullptr);

  /// Whether `load` gives null although there is a driver, or one was named: it refuses, is too old, or
  /// cannot be loaded. False without a driver, and if the driver says that there is no device. Thread safe.
  static bool is_broken();

  /// As `load`, but throws `Error` (device_unavailable) if there is no driver.
  static const Driver& require();

  /// Loads and initialises `library` independently of `load`, which calls this. A library whose `cuInit` was
  /// called stays in the process. `broken` (if given): what `is_broken` says, if the result is null.
  static std::unique_ptr<const Driver> open(const std::string& library, std::string* why_not,
                                            bool* broken = nullptr);
};

/// "CUDA_ERROR_NO_DEVICE (100): no CUDA-capable device is detected". Needs no context.
std::string describe(const Driver& driver, CUresult result);

/// Whether no call on the context succeeds any more after `result` (Driver API manual, CUresult).
bool is_context_lost(CUresult result) noexcept;

/// Throws the `Error` for a failed call: `what` (what was being done, e.g. "allocating 4096 bytes"), the
/// driver's name and text for `result`, and what to do about it. The code is `context_lost` if
/// `is_context_lost` says so, `internal` if the fault is in gumtile's request (arguments, launch
/// configuration), and `device_unavailable` otherwise.
[[noreturn]] void throw_error(const Driver& driver, CUresult result, std::string_view what);

/// Throws as `throw_error` does unless `result` is success.
inline void check(const Driver& driver, CUresult result, std::string_view what) {
  if (result != CUresult::success) throw_error(driver, result, what);
}

}  // namespace gumtile::cuda
