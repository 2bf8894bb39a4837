#pragma once

// Streams and graphs of the device that the tests' engines drive.

#include "runtime/cuda/device.h"
#include "runtime/cuda/graph.h"
#include "runtime/cuda/stream.h"
#include "tests/capi/fixture.h"

namespace gumtile::test {

/// The primary context of the tests' GPU, current while this object exists. Created after the engine: engines
/// must not need it.
class CurrentGpu {
 public:
  CurrentGpu() : context_(cuda::Context::primary(0)), scope_(context_.push()) {}
  const cuda::Driver& driver() const { return context_.driver(); }
  cuda::Context& context() { return context_; }

 private:
  cuda::Context context_;
  cuda::ScopedContext scope_;
};

}  // namespace gumtile::test
