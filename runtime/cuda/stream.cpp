#include "runtime/cuda/stream.h"

namespace gumtile::cuda {

Event::Event(const Driver& driver, bool timing) {
  CUevent event = nullptr;
  const CUevent_flags flags = timing ? CUevent_flags::timing : CUevent_flags::disable_timing;
  check(driver, driver.cuEventCreate(&event, static_cast<unsigned>(flags)), "creating a CUDA event");
  event_ = {driver, event};
}

void Event::record(CUstream stream) {
  const Driver& driver = *event_.driver();
  check(driver, driver.cuEventRecord(handle(), stream), "recording a CUDA event");
}

void Event::synchronize() const {
  const Driver& driver = *event_.driver();
  check(driver, driver.cuEventSynchronize(handle()), "waiting for a CUDA event");
}

bool Event::query() const {
  const Driver& driver = *event_.driver();
  const CUresult result = driver.cuEventQuery(handle());
  if (result == CUresult::not_ready) return false;
  check(driver, result, "querying a CUDA event");
  return true;
}

double elapsed_us(const Driver& driver, const Event& start, const Event& end) {
  float milliseconds = 0;
  check(driver, driver.cuEventElapsedTime(&milliseconds, start.handle(), end.handle()),
        "reading the time between two CUDA events");
  return static_cast<double>(milliseconds) * 1000.0;
}

Stream::Stream(const Driver& driver) {
  CUstream stream = nullptr;
  check(driver, driver.cuStreamCreate(&stream, static_cast<unsigned>(CUstream_flags::non_blocking)),
        "creating a CUDA stream");
  stream_ = {driver, stream};
}

void Stream::synchronize() const {
  const Driver& driver = *stream_.driver();
  check(driver, driver.cuStreamSynchronize(handle()), "waiting for a CUDA stream");
}

void Stream::wait(const Event& event) {
  const Driver& driver = *stream_.driver();
  check(driver, driver.cuStreamWaitEvent(handle(), event.handle(), 0), "making a CUDA stream wait");
}

}  // namespace gumtile::cuda
