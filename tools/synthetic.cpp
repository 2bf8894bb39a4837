#include "tools/synthetic.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <span>
#include <system_error>
#include <thread>
#include <vector>

#include "gumtile/error.h"
#include "runtime/cpu/cpu_info.h"

namespace gumtile::tools {
namespace {

/// SplitMix64 (Steele, Lea, Flood 2014) of a position.
uint64_t mix(uint64_t position) {
  uint64_t z = position * 0x9E3779B97F4A7C15u;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
  return z ^ (z >> 31);
}

/// The sum of four uniforms of 16 bits, centred: an integer, hence the same on every machine. Standard
/// deviation 65536 / sqrt(3).
float element(uint64_t stream, uint64_t index, float unit) {
  const uint64_t bits = mix((stream << 48) + index + 1);
  const int64_t sum = static_cast<int64_t>((bits & 0xffff) + ((bits >> 16) & 0xffff) +
                                           ((bits >> 32) & 0xffff) + (bits >> 48));
  return static_cast<float>(2 * sum - 4 * 65535) * unit;
}

/// Elements [first, first + count) in memory of the host.
void fill(std::byte* to, int64_t first, int64_t count, DType dtype, uint64_t stream, float unit) {
  const auto element_bytes = static_cast<int64_t>(size_bytes(dtype));
  for (int64_t i = 0; i < count; ++i) {
    const float value = element(stream, static_cast<uint64_t>(first + i), unit);
    const uint32_t bits = bits_from_float(dtype, value);
    std::memcpy(to + i * element_bytes, &bits, static_cast<size_t>(element_bytes));
  }
}

/// `fill` by all threads, each of which takes one range; on a CPU device this is also the memory's first
/// touch.
void fill_in_parallel(std::byte* to, int64_t first, int64_t count, DType dtype, uint64_t stream, float unit) {
  const int64_t element_bytes = static_cast<int64_t>(size_bytes(dtype));
  const int64_t workers = std::clamp<int64_t>(count / 65536, 1, cpu::usable_threads());
  std::vector<std::jthread> threads;
  for (int64_t worker = 0; worker < workers; ++worker) {
    const int64_t begin = count * worker / workers;
    const int64_t end = count * (worker + 1) / workers;
    const auto work = [=] {
      fill(to + begin * element_bytes, first + begin, end - begin, dtype, stream, unit);
    };
    try {
      threads.emplace_back(work);
    } catch (const std::system_error&) {  // a limit on processes: this thread does the work
      work();
    }
  }
}

}  // namespace

DeviceArray synthetic_array(const std::shared_ptr<Engine>& engine, int64_t count, DType dtype,
                            uint64_t stream, float scale) {
  const size_t element_bytes = size_bytes(dtype);
  const size_t bytes = static_cast<size_t>(count) * element_bytes;
  const DeviceDescription& device = engine->device();
  if (device.target.is_cuda() && device.memory_bytes != 0 && bytes > device.memory_bytes)
    throw Error(ErrorCode::device_unavailable,
                fmt::format("a synthetic matrix takes {} bytes; {} ({}) has {} in all", bytes, device.id,
                            device.name, device.memory_bytes));
  DeviceArray array(engine, bytes);
  const float unit = scale * (1.7320508f / (2 * 65536.0f));
  if (!engine->device().target.is_cuda()) {
    fill_in_parallel(array.as<std::byte>(), 0, count, dtype, stream, unit);
    return array;
  }
  constexpr int64_t kChunk = int64_t{16} << 20;
  std::vector<std::byte> chunk(static_cast<size_t>(std::min(count, kChunk)) * element_bytes);
  for (int64_t first = 0; first < count; first += kChunk) {
    const int64_t elements = std::min(kChunk, count - first);
    fill_in_parallel(chunk.data(), first, elements, dtype, stream, unit);
    engine->copy_to_device(array.as<std::byte>() + static_cast<size_t>(first) * element_bytes, chunk.data(),
                           static_cast<size_t>(elements) * element_bytes);
  }
  return array;
}

}  // namespace gumtile::tools
