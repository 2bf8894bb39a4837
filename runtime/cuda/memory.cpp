#include "runtime/cuda/memory.h"

#include <fmt/format.h>

#include "gumtile/error.h"

namespace gumtile::cuda {

DeviceBuffer::DeviceBuffer(const Driver& driver, size_t bytes) : bytes_(bytes) {
  if (bytes == 0) return;
  CUdeviceptr address = 0;
  const CUresult result = driver.cuMemAlloc(&address, bytes);
  if (result != CUresult::success) {
    throw_error(driver, result, fmt::format("allocating {} bytes of device memory", bytes));
  }
  memory_ = {driver, address};
}

// The synchronous cuMemcpyHtoD returns once pageable memory is staged, perhaps before it reached the device
// (Driver API manual, "API synchronization behavior"): a kernel on a non-blocking stream could read the old
// contents. Hence asynchronous copies and a wait.
void DeviceBuffer::copy_from_host(const void* from, size_t bytes, size_t offset, CUstream stream) {
  check_range(bytes, offset);
  if (bytes == 0) return;
  const Driver& driver = *memory_.driver();
  check(driver, driver.cuMemcpyHtoDAsync(address() + offset, from, bytes, stream), "copying to the device");
  check(driver, driver.cuStreamSynchronize(stream), "waiting for a copy to the device");
}

void DeviceBuffer::copy_to_host(void* to, size_t bytes, size_t offset, CUstream stream) const {
  check_range(bytes, offset);
  if (bytes == 0) return;
  const Driver& driver = *memory_.driver();
  check(driver, driver.cuMemcpyDtoHAsync(to, address() + offset, bytes, stream), "copying from the device");
  check(driver, driver.cuStreamSynchronize(stream), "waiting for a copy from the device");
}

void DeviceBuffer::zero(CUstream stream) {
  if (bytes() == 0) return;
  const Driver& driver = *memory_.driver();
  check(driver, driver.cuMemsetD8Async(address(), 0, bytes(), stream), "clearing device memory");
  check(driver, driver.cuStreamSynchronize(stream), "waiting for device memory to be cleared");
}

void DeviceBuffer::check_range(size_t bytes, size_t offset) const {
  if (offset <= this->bytes() && bytes <= this->bytes() - offset) return;
  throw Error(ErrorCode::internal,
              fmt::format("a copy of {} bytes at offset {} leaves a device buffer of {} bytes", bytes, offset,
                          this->bytes()));
}

}  // namespace gumtile::cuda
