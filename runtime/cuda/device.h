#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "runtime/cuda/driver.h"

namespace gumtile::cuda {

/// What is known about a GPU without creating a context on it.
struct DeviceInfo {
  int ordinal = 0;                           ///< the driver's number, after CUDA_VISIBLE_DEVICES
  std::string name;                          ///< e.g. "NVIDIA H200"
  int sm_major = 0;                          ///< compute capability
  int sm_minor = 0;                          ///<
  int multiprocessors = 0;                   ///< SMs
  size_t memory_bytes = 0;                   ///< total device memory
  size_t l2_bytes = 0;                       ///<
  int max_smem_per_block_optin = 0;          ///< bytes of shared memory that a CTA may have after opting in
  int max_smem_per_multiprocessor = 0;       ///< bytes
  int max_registers_per_multiprocessor = 0;  ///< 32-bit registers
  int memory_clock_khz = 0;                  ///< peak; 0 if the driver does not say
  int memory_bus_bits = 0;                   ///<
  int driver_version = 0;                    ///< as `Driver::version`
};

/// The visible GPUs by ordinal. Empty without a usable driver or device; `why_not` (if given) then says why.
/// Throws `Error` only if the driver lists a device but fails to describe it. Needs no context; thread safe.
std::vector<DeviceInfo> list_devices(std::string* why_not = nullptr);

/// Describes one GPU. Throws `Error` (device_unavailable) if there is no such ordinal. Needs no context.
DeviceInfo device_info(const Driver& driver, int ordinal);

/// Makes a context current on this thread for a scope, then restores what was current before. The context may
/// be current on several threads at once. Throws `Error` if the context cannot be made current.
class ScopedContext {
 public:
  ScopedContext(const Driver& driver, CUcontext context);
  ~ScopedContext();
  ScopedContext(const ScopedContext&) = delete;
  ScopedContext& operator=(const ScopedContext&) = delete;

 private:
  const Driver& driver_;
};

/// The context through which a device is used: either its primary context, which the CUDA runtime, PyTorch
/// and others use, held until the end; or a context of the caller, borrowed. It must outlive everything that
/// is created in it.
class Context {
 public:
  /// Retains the primary context, which may initialise the GPU (hundreds of milliseconds), but does not make
  /// it current. Throws `Error` (device_unavailable) without a driver or such a device.
  static Context primary(int ordinal);
  /// Borrows the context that is current on this thread. Throws `Error` (usage) if there is none, or if it is
  /// of another device.
  static Context current(int ordinal);
  ~Context();
  Context(Context&& other) noexcept;
  Context& operator=(Context&& other) noexcept;

  const Driver& driver() const { return *driver_; }
  CUdevice device() const { return device_; }
  CUcontext handle() const { return context_; }

  /// `auto scope = context.push();`: current on this thread until `scope` ends.
  ScopedContext push() const { return {*driver_, context_}; }

 private:
  Context(const Driver& driver, CUdevice device) : driver_(&driver), device_(device) {}
  void release() noexcept;

  const Driver* driver_ = nullptr;
  CUdevice device_ = 0;
  CUcontext context_ = nullptr;  ///< null once moved from
  bool retained_ = false;
};

}  // namespace gumtile::cuda
