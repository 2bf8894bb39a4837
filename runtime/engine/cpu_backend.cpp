#include "runtime/engine/cpu_backend.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <limits>
#include <new>
#include <utility>

#include "gumtile/error.h"
#include "runtime/cpu/cpu_info.h"
#include "runtime/cpu/mapped_memory.h"
#include "runtime/cpu/memory_limit.h"
#include "runtime/cpu/shared_object.h"
#include "runtime/cpu/thread_pool.h"
#include "runtime/engine/timing.h"
#include "support/float_environment.h"

namespace gumtile::engine {
namespace {

/// The entry points (`LaunchSpec`, "Host entries").
using RowsEntry = void(const uint64_t* args, int64_t row_begin, int64_t row_end);
using SweepEntry = void(const uint64_t* args, int64_t worker, int64_t unit_begin, int64_t unit_end);

/// From this size on, it is checked before allocating whether the bytes fit; smaller amounts hardly matter.
constexpr size_t kLargeBytes = size_t{16} << 20;

constexpr std::align_val_t kMemoryAlignment{kWorkspaceAlignment};

cpu::SharedObject load_code(const KernelArtifact& artifact) {
  if (artifact.format != KernelArtifact::Format::shared_object) {
    throw Error(ErrorCode::internal,
                fmt::format("a kernel for target '{}' came as PTX, but the CPU runs shared objects",
                            artifact.target));
  }
  return {std::as_bytes(std::span(artifact.code)), fmt::format("gumtile-{}", artifact.key.substr(0, 16))};
}

class CpuKernel final : public LoadedKernel {
 public:
  CpuKernel(KernelArtifact loaded, std::shared_ptr<cpu::ThreadPool> pool)
      : LoadedKernel(std::move(loaded), true), pool_(std::move(pool)), code_(load_code(artifact())) {
    if (!spec().stage.empty()) stage_ = code_.function<RowsEntry>(spec().stage);
    sweep_ = code_.function<SweepEntry>(spec().sweep);
    if (!spec().finish.empty()) finish_ = code_.function<RowsEntry>(spec().finish);
    workers_ = std::min<int64_t>(spec().units(), pool_->threads());
  }

 protected:
  int64_t row_limit() const noexcept override { return std::numeric_limits<int32_t>::max(); }
  int64_t workers(int64_t /*rows*/) const noexcept override { return workers_; }
  int64_t max_records(int64_t max_rows) const noexcept override { return max_rows * workers_; }

  bool has_shared_state() const noexcept override { return false; }
  Status clear(StreamHandle /*stream*/, void* memory, size_t bytes) const noexcept override {
    std::memset(memory, 0, bytes);
    return Status::ok;
  }

  Status run(StreamHandle /*stream*/, const abi::Words& words, const LaunchOptions& /*options*/,
             const BoundWeights* /*weights*/) const noexcept override {
    const DefaultFloatEnvironment default_arithmetic;
    const auto rows = static_cast<int64_t>(words[abi::word_rows]);
    if (words[abi::word_staged] != 0) run_rows(stage_, rows, words);
    const int64_t units = spec().units();
    pool_->run(static_cast<int>(workers_), [&](int worker, int /*thread*/) {
      sweep_(words.data(), worker, units * worker / workers_, units * (worker + 1) / workers_);
    });
    if (finish_ != nullptr) run_rows(finish_, rows, words);
    return Status::ok;
  }

 private:
  /// The rows in even ranges, one per thread.
  void run_rows(RowsEntry* entry, int64_t rows, const abi::Words& words) const noexcept {
    const int64_t ranges = std::min<int64_t>(rows, pool_->threads());
    pool_->run(static_cast<int>(ranges), [&](int range, int /*worker*/) {
      entry(words.data(), rows * range / ranges, rows * (range + 1) / ranges);
    });
  }

  std::shared_ptr<cpu::ThreadPool> pool_;
  cpu::SharedObject code_;
  RowsEntry* stage_ = nullptr;
  SweepEntry* sweep_ = nullptr;
  RowsEntry* finish_ = nullptr;
  int64_t workers_ = 1;
};

class CpuBackend final : public Backend {
 public:
  explicit CpuBackend(int threads) : pool_(std::make_shared<cpu::ThreadPool>(threads)) {
    device_.name = cpu::cpu_info().brand;
    device_.id = "cpu";
    device_.workers = pool_->threads();
    device_.memory_bytes = cpu::memory_limit_bytes();
  }

  std::unique_ptr<const LoadedKernel> load(KernelArtifact artifact) override {
    return std::make_unique<CpuKernel>(std::move(artifact), pool_);
  }

  std::string pointer_fault(const void* data, size_t bytes) const override {
    if (cpu::is_mapped(data, bytes)) return {};
    return fmt::format("there is no memory at some of the {} bytes from {} on", bytes, data);
  }

  void* allocate(size_t bytes) override {
    if (bytes == 0) return nullptr;
    if (bytes >= kLargeBytes)
      if (const std::string why = cpu::why_not_enough_memory(bytes); !why.empty())
        throw Error(ErrorCode::device_unavailable, why);
    void* memory = ::operator new(bytes, kMemoryAlignment, std::nothrow);
    if (memory == nullptr)
      throw Error(ErrorCode::device_unavailable, fmt::format("there are no {} bytes of free memory", bytes));
    return memory;
  }
  void release(void* memory) override { ::operator delete(memory, kMemoryAlignment); }

  void copy_to_device(void* to, const void* from, size_t bytes) override { copy(to, from, bytes); }
  void copy_to_host(void* to, const void* from, size_t bytes) override { copy(to, from, bytes); }
  void synchronize(StreamHandle /*stream*/) override {}  // launches return when they are done

  Engine::Timing time(const std::function<Status(StreamHandle)>& launch, int repeats, int warmup) override {
    check_repeats(repeats, warmup);
    for (int i = 0; i < warmup; ++i) require_ok(launch(nullptr));
    using Clock = std::chrono::steady_clock;
    std::vector<double> times_us;
    times_us.reserve(static_cast<size_t>(repeats));
    for (int i = 0; i < repeats; ++i) {
      const Clock::time_point start = Clock::now();
      const Status status = launch(nullptr);
      const Clock::time_point end = Clock::now();
      require_ok(status);
      times_us.push_back(std::chrono::duration<double, std::micro>(end - start).count());
    }
    return summarize(std::move(times_us));
  }

 private:
  static void copy(void* to, const void* from, size_t bytes) {
    if (bytes != 0) std::memcpy(to, from, bytes);
  }

  std::shared_ptr<cpu::ThreadPool> pool_;
};

}  // namespace

std::unique_ptr<Backend> open_cpu(int threads) { return std::make_unique<CpuBackend>(threads); }

}  // namespace gumtile::engine
