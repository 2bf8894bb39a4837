#include "runtime/cpu/bandwidth.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>

#include "gumtile/error.h"
#include "runtime/cpu/cpu_info.h"

namespace gumtile::cpu {
namespace {

constexpr size_t kPageBytes = 4096;
constexpr int kPasses = 8;

/// Anonymous memory in huge pages if the system has them.
class Pages {
 public:
  explicit Pages(size_t bytes)
      : bytes_(bytes),
        data_(mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)) {
    if (data_ == MAP_FAILED) {
      throw Error(ErrorCode::device_unavailable,
                  fmt::format("there are no {} bytes of memory to measure the read bandwidth with", bytes));
    }
    madvise(data_, bytes, MADV_HUGEPAGE);
  }
  ~Pages() { munmap(data_, bytes_); }
  Pages(const Pages&) = delete;
  Pages& operator=(const Pages&) = delete;
  char* data() const { return static_cast<char*>(data_); }

 private:
  size_t bytes_;
  void* data_;
};

/// 64 bytes at a time, in whatever registers the function it is compiled into may use.
using Vector = uint64_t __attribute__((vector_size(64), may_alias));

/// Reads `bytes` (a multiple of kPageBytes) from aligned memory; the result depends on every bit.
[[gnu::always_inline]] inline uint64_t fold_with_vectors(const char* data, size_t bytes) {
  Vector sums[4] = {};
  const auto* vectors = reinterpret_cast<const Vector*>(data);
  for (size_t index = 0; index < bytes / sizeof(Vector); index += 4) {
    sums[0] ^= vectors[index];
    sums[1] ^= vectors[index + 1];
    sums[2] ^= vectors[index + 2];
    sums[3] ^= vectors[index + 3];
  }
  const Vector sum = (sums[0] ^ sums[1]) ^ (sums[2] ^ sums[3]);
  uint64_t folded = 0;
  for (size_t lane = 0; lane < sizeof(Vector) / sizeof(uint64_t); ++lane) folded ^= sum[lane];
  return folded;
}

using Fold = uint64_t (*)(const char*, size_t);

uint64_t fold_portable(const char* data, size_t bytes) { return fold_with_vectors(data, bytes); }

#ifdef __x86_64__

[[gnu::target("avx512f")]] uint64_t fold_avx512(const char* data, size_t bytes) {
  return fold_with_vectors(data, bytes);
}
[[gnu::target("avx2")]] uint64_t fold_avx2(const char* data, size_t bytes) {
  return fold_with_vectors(data, bytes);
}
Fold widest_fold() {
  const CpuInfo& info = cpu_info();
  return info.avx512f ? fold_avx512 : info.avx2 ? fold_avx2 : fold_portable;
}

#else

Fold widest_fold() { return fold_portable; }

#endif

}  // namespace

double measure_read_bandwidth(ThreadPool& pool, size_t bytes) {
  const size_t workers = static_cast<size_t>(pool.threads());
  const size_t share = bytes / workers / kPageBytes * kPageBytes;
  if (share == 0) {
    throw Error(ErrorCode::usage,
                fmt::format("measuring the read bandwidth of {} threads takes at least {} bytes, got {}",
                            workers, workers * kPageBytes, bytes));
  }
  const Pages pages(share * workers);
  pool.run_on_each_worker([&](int, int worker) {
    std::memset(pages.data() + static_cast<size_t>(worker) * share, worker + 1, share);
  });

  const Fold fold = widest_fold();
  std::atomic<uint64_t> result{0};  // what makes the reads observable
  double best_seconds = 0;
  for (int pass = 0; pass < kPasses; ++pass) {
    const auto start = std::chrono::steady_clock::now();
    pool.run_on_each_worker([&](int, int worker) {
      result.fetch_xor(fold(pages.data() + static_cast<size_t>(worker) * share, share),
                       std::memory_order_relaxed);
    });
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    best_seconds = pass == 0 ? seconds : std::min(best_seconds, seconds);
  }
  static std::atomic<uint64_t> sink;
  sink.store(result.load(), std::memory_order_relaxed);
  return static_cast<double>(share * workers) / best_seconds;
}

}  // namespace gumtile::cpu
