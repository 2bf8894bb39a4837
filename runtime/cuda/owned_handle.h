#pragma once

#include <utility>

#include "runtime/cuda/driver.h"

namespace gumtile::cuda {

/// Owns a handle (or address) of the driver and destroys it: `Destroy` is the member of Driver to call, e.g.
/// `&Driver::cuStreamDestroy`. The destructor makes the context that was current at construction current
/// again for that call, so the owner may end on any thread and with any context current; only the context
/// itself must still exist. Empty (a null handle) when default-constructed or moved from.
template <typename Handle, auto Destroy>
class OwnedHandle {
 public:
  OwnedHandle() = default;

  /// Takes `handle`, which belongs to the current context. "Context must be current."
  OwnedHandle(const Driver& driver, Handle handle) : driver_(&driver), handle_(handle) {
    // Without an answer the context stays null and the destructor uses whatever is current then.
    driver.cuCtxGetCurrent(&context_);
  }

  ~OwnedHandle() { reset(); }
  OwnedHandle(OwnedHandle&& other) noexcept
      : driver_(other.driver_), context_(other.context_), handle_(std::exchange(other.handle_, Handle{})) {}
  OwnedHandle& operator=(OwnedHandle&& other) noexcept {
    if (this != &other) {
      reset();
      driver_ = other.driver_;
      context_ = other.context_;
      handle_ = std::exchange(other.handle_, Handle{});
    }
    return *this;
  }

  const Driver* driver() const { return driver_; }
  Handle get() const { return handle_; }

 private:
  void reset() noexcept {
    if (handle_ == Handle{}) return;
    // Failures are ignored: after a fault on the device, or at process exit, the driver frees everything
    // itself.
    const bool pushed = context_ != nullptr && driver_->cuCtxPushCurrent(context_) == CUresult::success;
    (driver_->*Destroy)(handle_);
    CUcontext popped = nullptr;
    if (pushed) driver_->cuCtxPopCurrent(&popped);
    handle_ = Handle{};
  }

  const Driver* driver_ = nullptr;
  CUcontext context_ = nullptr;
  Handle handle_{};
};

}  // namespace gumtile::cuda
