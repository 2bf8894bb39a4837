#pragma once

#include "runtime/cuda/owned_handle.h"

namespace gumtile::cuda {

/// A point in a stream's work. "Context must be current" to create one. Thread safe as the driver's events
/// are.
class Event {
 public:
  /// `timing`: whether `elapsed_us` may be called (makes the event slower). Throws `Error`.
  explicit Event(const Driver& driver, bool timing = false);

  CUevent handle() const { return event_.get(); }

  /// Marks the point after all work so far in `stream` (of the same context). Throws `Error`.
  void record(CUstream stream);

  /// Waits on the host until the point is passed. Throws `Error`, also for earlier faults on the device.
  void synchronize() const;

  /// Whether the point is passed. Throws `Error` for faults on the device.
  bool query() const;

 private:
  OwnedHandle<CUevent, &Driver::cuEventDestroy> event_;
};

/// Microseconds on the device between two recorded and passed timing events (resolution about 0.5 us). Throws
/// `Error`.
double elapsed_us(const Driver& driver, const Event& start, const Event& end);

/// A stream that does not synchronise with the legacy stream 0. "Context must be current" to create one.
class Stream {
 public:
  explicit Stream(const Driver& driver);

  CUstream handle() const { return stream_.get(); }

  /// Waits on the host until the stream is idle. Throws `Error`, also for earlier faults on the device.
  void synchronize() const;

  /// Later work in this stream waits for `event`; the host does not. Throws `Error`.
  void wait(const Event& event);

 private:
  OwnedHandle<CUstream, &Driver::cuStreamDestroy> stream_;
};

}  // namespace gumtile::cuda
