#pragma once

#include <cstddef>

#include "runtime/cuda/owned_handle.h"

namespace gumtile::cuda {

/// A block of device memory, owned, aligned to 256 bytes or more. Copies and `zero` finish before they
/// return, but wait for no stream except `stream`: the caller first synchronises any other stream that uses
/// the block. All members that call the driver throw `Error`. "Context must be current" for all but the
/// destructor and moves. Distinct blocks may be used from distinct threads.
class DeviceBuffer {
 public:
  /// Empty: no bytes, a null address.
  DeviceBuffer() = default;

  /// Allocates `bytes` (0 gives an empty block), contents undefined.
  DeviceBuffer(const Driver& driver, size_t bytes);

  CUdeviceptr address() const { return memory_.get(); }
  size_t bytes() const { return address() == 0 ? 0 : bytes_; }

  /// `bytes` from host memory to `offset` bytes into the block.
  void copy_from_host(const void* from, size_t bytes, size_t offset = 0, CUstream stream = nullptr);

  /// `bytes` from `offset` bytes into the block to host memory.
  void copy_to_host(void* to, size_t bytes, size_t offset = 0, CUstream stream = nullptr) const;

  /// Sets every byte to 0.
  void zero(CUstream stream = nullptr);

 private:
  void check_range(size_t bytes, size_t offset) const;

  OwnedHandle<CUdeviceptr, &Driver::cuMemFree> memory_;
  size_t bytes_ = 0;  ///< not cleared by a move; `bytes` accounts for that
};

}  // namespace gumtile::cuda
