#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "runtime/cuda/owned_handle.h"

namespace gumtile::cuda {

/// A kernel of a `Module`, valid while the module is. A value: copy it freely. All members throw `Error`.
/// "Context must be current" for all but `handle`.
class Function {
 public:
  Function(const Driver& driver, CUfunction handle) : driver_(&driver), handle_(handle) {}

  CUfunction handle() const { return handle_; }

  /// Loads the code onto the device now instead of at the first launch (loading is lazy by default, and a
  /// lazy load may synchronise).
  void load() const;

  /// Lets launches use up to `bytes` of dynamic shared memory; needed above 48 KiB (less static use).
  void set_max_dynamic_shared_bytes(int bytes) const;

  int registers() const;              ///< 32-bit registers per thread
  int local_bytes() const;            ///< local memory per thread: spills and stack
  int static_shared_bytes() const;    ///< per CTA
  int max_threads_per_block() const;  ///< as limited by the registers

  /// How many CTAs of `threads` threads fit on one multiprocessor at a time.
  int max_active_blocks(int threads, size_t dynamic_shared_bytes) const;

 private:
  int attribute(CUfunction_attribute which) const;

  const Driver* driver_;
  CUfunction handle_;
};

/// Kernels loaded into the current context; unloaded by the destructor, which must not run while a kernel of
/// it does. Movable. Distinct modules may be loaded from distinct threads.
class Module {
 public:
  /// Compiles PTX text with the driver's compiler and loads it. Throws `Error` with the compiler's log in the
  /// notes: `internal` if the PTX is invalid, `device_unavailable` if this driver or device cannot run it.
  /// "Context must be current."
  static Module load_ptx(const Driver& driver, const std::string& ptx);

  /// Loads a cubin. Throws as `load_ptx` does. "Context must be current."
  static Module load_cubin(const Driver& driver, std::span<const std::byte> cubin);

  CUmodule handle() const { return module_.get(); }

  /// The kernel with this (unmangled) name. Throws `Error` (internal) if there is none. "Context must be
  /// current."
  Function function(const std::string& name) const;

  /// What the driver's compiler reported (registers, spills); empty for cubins.
  const std::string& info_log() const { return info_log_; }

 private:
  static Module load(const Driver& driver, const void* image, const std::string& what);

  OwnedHandle<CUmodule, &Driver::cuModuleUnload> module_;
  std::string info_log_;
};

}  // namespace gumtile::cuda
