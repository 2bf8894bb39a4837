#include "runtime/engine/gpu_backend.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "gumtile/error.h"
#include "runtime/cuda/graph.h"
#include "runtime/cuda/module.h"
#include "runtime/cuda/stream.h"
#include "runtime/engine/grid.h"
#include "runtime/engine/timing.h"

namespace gumtile::engine {
namespace {

using cuda::CUresult;
using cuda::Driver;

// The launch shapes that `LaunchSpec` prescribes.
constexpr unsigned kStageThreads = 256;
constexpr unsigned kFinishThreads = 256;
constexpr uint64_t kFinishRows = 8;

/// The largest y extent of a grid (CUDA C++ Programming Guide, "Technical Specifications per Compute
/// Capability").
constexpr int64_t kMaxGridY = 65535;

/// Errors after which no call on the context succeeds any more (Driver API manual, CUresult).
Status status_of(CUresult result) noexcept {
  switch (result) {
    case CUresult::success:
      return Status::ok;
    case CUresult::deinitialized:
    case CUresult::illegal_address:
    case CUresult::launch_timeout:
    case CUresult::context_is_destroyed:
    case CUresult::assert_triggered:
    case CUresult::hardware_stack_error:
    case CUresult::illegal_instruction:
    case CUresult::misaligned_address:
    case CUresult::invalid_address_space:
    case CUresult::invalid_pc:
    case CUresult::launch_failed:
    case CUresult::unknown:
      return Status::context_lost;
    default:
      return Status::launch_failed;
  }
}

/// Makes a context current for a launch, unless it is already: the usual case, which then costs one call.
class LaunchContext {
 public:
  LaunchContext(const Driver& driver, cuda::CUcontext context) noexcept : driver_(driver) {
    cuda::CUcontext current = nullptr;
    result_ = driver_.cuCtxGetCurrent(&current);
    if (result_ != CUresult::success || current == context) return;
    result_ = driver_.cuCtxPushCurrent(context);
    pushed_ = result_ == CUresult::success;
  }
  ~LaunchContext() {
    cuda::CUcontext popped = nullptr;
    if (pushed_) driver_.cuCtxPopCurrent(&popped);
  }
  LaunchContext(const LaunchContext&) = delete;
  LaunchContext& operator=(const LaunchContext&) = delete;

  CUresult result() const noexcept { return result_; }

 private:
  const Driver& driver_;
  CUresult result_;
  bool pushed_ = false;
};

std::string cuda_version(int version) { return fmt::format("{}.{}", version / 1000, version % 1000 / 10); }

/// Loads the artifact into the current context. What the driver says of a failure is completed with what it
/// was given and which driver it is.
cuda::Module load_module(const Driver& driver, const KernelArtifact& artifact) {
  if (artifact.format != KernelArtifact::Format::ptx) {
    throw Error(
        ErrorCode::internal,
        fmt::format("a kernel for target '{}' came as a shared object, but a GPU runs PTX", artifact.target));
  }
  try {
    return cuda::Module::load_ptx(driver, artifact.code);
  } catch (const Error& error) {
    throw Error(error.code(),
                fmt::format("{} (kernel for {}, schedule '{}', PTX {}.{}; the driver supports CUDA {})",
                            error.what(), artifact.target, artifact.schedule, artifact.ptx_version / 10,
                            artifact.ptx_version % 10, cuda_version(driver.version)),
                error.notes());
  }
}

class GpuKernel final : public LoadedKernel {
 public:
  /// The context must be current.
  GpuKernel(KernelArtifact loaded, std::shared_ptr<const cuda::PrimaryContext> context,
            const DeviceDescription& device)
      : LoadedKernel(std::move(loaded), false),
        context_(std::move(context)),
        module_(load_module(context_->driver(), artifact())) {
    if (!spec().stage.empty()) stage_ = entry(spec().stage).handle();
    if (!spec().finish.empty()) finish_ = entry(spec().finish).handle();
    const cuda::Function sweep = entry(spec().sweep);
    sweep_ = sweep.handle();
    if (spec().shared_bytes > 0) sweep.set_max_dynamic_shared_bytes(spec().shared_bytes);
    const int per_multiprocessor =
        sweep.max_active_blocks(spec().threads, static_cast<size_t>(spec().shared_bytes));
    if (per_multiprocessor < 1) {
      throw Error(
          ErrorCode::device_unavailable,
          fmt::format(
              "schedule '{}' does not fit {}: a block of {} threads needs {} bytes of shared memory and "
              "{} registers a thread; use smaller tiles or fewer stages",
              artifact().schedule, device.name, spec().threads,
              spec().shared_bytes + sweep.static_shared_bytes(), sweep.registers()));
    }
    grid_ = {spec().tiles(), spec().rows_per_block, int64_t{per_multiprocessor} * device.workers};
  }

 protected:
  int64_t row_limit() const noexcept override {
    return std::min<int64_t>(kMaxGridY * spec().rows_per_block, std::numeric_limits<int32_t>::max());
  }

  int64_t partials(int64_t rows) const noexcept override { return grid_.partials(rows); }
  int64_t max_records(int64_t max_rows) const noexcept override { return grid_.max_records(max_rows); }

  Status run(StreamHandle stream, const ArgumentWords& words) const noexcept override {
    const Driver& driver = context_->driver();
    const LaunchContext current(driver, context_->handle());
    if (current.result() != CUresult::success) return status_of(current.result());

    // The driver copies the parameter, of the size that the kernel declares, before the call returns.
    void* parameters[] = {const_cast<uint64_t*>(words.data())};
    auto start = [&](cuda::CUfunction function, uint64_t grid_x, uint64_t grid_y, unsigned threads,
                     unsigned shared_bytes) noexcept {
      return driver.cuLaunchKernel(function, static_cast<unsigned>(grid_x), static_cast<unsigned>(grid_y), 1,
                                   threads, 1, 1, shared_bytes, static_cast<cuda::CUstream>(stream),
                                   parameters, nullptr);
    };
    const uint64_t rows = words[word_rows];
    CUresult result = CUresult::success;
    if (words[word_staged] != 0) result = start(stage_, rows, 1, kStageThreads, 0);
    if (result == CUresult::success) {
      result = start(sweep_, words[word_partials],
                     static_cast<uint64_t>(grid_.row_blocks(static_cast<int64_t>(rows))),
                     static_cast<unsigned>(spec().threads), static_cast<unsigned>(spec().shared_bytes));
    }
    if (result == CUresult::success && finish_ != nullptr)
      result = start(finish_, (rows + kFinishRows - 1) / kFinishRows, 1, kFinishThreads, 0);
    return status_of(result);
  }

 private:
  cuda::Function entry(const std::string& symbol) const {
    const cuda::Function function = module_.function(symbol);
    function.load();
    return function;
  }

  std::shared_ptr<const cuda::PrimaryContext> context_;
  cuda::Module module_;
  cuda::CUfunction stage_ = nullptr;
  cuda::CUfunction sweep_ = nullptr;
  cuda::CUfunction finish_ = nullptr;
  Grid grid_;
};

class GpuBackend final : public Backend {
 public:
  explicit GpuBackend(const cuda::DeviceInfo& info) {
    device_.name = info.name;
    device_.id = fmt::format("cuda:{}", info.ordinal);
    device_.target = target_for_device(info.sm_major, info.sm_minor);
    device_.workers = info.multiprocessors;
    device_.memory_bytes = info.memory_bytes;
    context_ = std::make_shared<const cuda::PrimaryContext>(info.ordinal);
  }

  std::unique_ptr<LoadedKernel> load(KernelArtifact artifact) override {
    const cuda::ScopedContext scope = context_->push();
    return std::make_unique<GpuKernel>(std::move(artifact), context_, device_);
  }

  void* allocate(size_t bytes) override {
    if (bytes == 0) return nullptr;
    const cuda::ScopedContext scope = context_->push();
    cuda::CUdeviceptr address = 0;
    const CUresult result = driver().cuMemAlloc(&address, bytes);
    if (result != CUresult::success)
      cuda::throw_error(driver(), result, fmt::format("allocating {} bytes on {}", bytes, device_.id));
    return reinterpret_cast<void*>(static_cast<uintptr_t>(address));
  }

  void release(void* memory) override {
    if (memory == nullptr) return;
    const cuda::ScopedContext scope = context_->push();
    check(driver(), driver().cuMemFree(address_of(memory)), "releasing device memory");
  }

  // Asynchronous copies and a wait: cuMemcpyHtoD may return before pageable memory has reached the device.
  void copy_to_device(void* to, const void* from, size_t bytes) override {
    if (bytes == 0) return;
    const cuda::ScopedContext scope = context_->push();
    check(driver(), driver().cuMemcpyHtoDAsync(address_of(to), from, bytes, nullptr),
          "copying to the device");
    check(driver(), driver().cuStreamSynchronize(nullptr), "waiting for a copy to the device");
  }

  void copy_to_host(void* to, const void* from, size_t bytes) override {
    if (bytes == 0) return;
    const cuda::ScopedContext scope = context_->push();
    check(driver(), driver().cuMemcpyDtoHAsync(to, address_of(from), bytes, nullptr),
          "copying from the device");
    check(driver(), driver().cuStreamSynchronize(nullptr), "waiting for a copy from the device");
  }

  void synchronize(StreamHandle stream) override {
    const cuda::ScopedContext scope = context_->push();
    check(driver(), driver().cuStreamSynchronize(static_cast<cuda::CUstream>(stream)),
          "waiting for a stream");
  }

  Engine::Timing time(const std::function<Status(StreamHandle)>& launch, int repeats, int warmup) override {
    check_repeats(repeats, warmup);
    const cuda::ScopedContext scope = context_->push();
    const cuda::Stream stream(driver());
    // Once outside of a capture: what the launch does for the first time it may not be able to do in one.
    require_ok(launch(stream.handle()));
    stream.synchronize();
    cuda::GraphExec graph = cuda::GraphExec::capture(
        driver(), stream.handle(), [&](cuda::CUstream capturing) { require_ok(launch(capturing)); });

    // Everything is submitted before the wait, so that the device is busy while the host submits: an idle
    // device would count the time between its event and its graph.
    struct Replay {
      cuda::Event start;
      cuda::Event end;
    };
    std::vector<Replay> replays;
    replays.reserve(static_cast<size_t>(repeats));
    for (int i = 0; i < repeats; ++i)
      replays.push_back({cuda::Event(driver(), true), cuda::Event(driver(), true)});
    for (int i = 0; i < warmup; ++i) graph.launch(stream.handle());
    for (Replay& replay : replays) {
      replay.start.record(stream.handle());
      graph.launch(stream.handle());
      replay.end.record(stream.handle());
    }
    stream.synchronize();

    std::vector<double> times_us;
    times_us.reserve(replays.size());
    for (const Replay& replay : replays) times_us.push_back(elapsed_us(driver(), replay.start, replay.end));
    return summarize(std::move(times_us));
  }

 private:
  const Driver& driver() const { return context_->driver(); }
  static cuda::CUdeviceptr address_of(const void* memory) { return reinterpret_cast<uintptr_t>(memory); }

  std::shared_ptr<const cuda::PrimaryContext> context_;
};

}  // namespace

std::unique_ptr<Backend> open_gpu(const cuda::DeviceInfo& info) { return std::make_unique<GpuBackend>(info); }

}  // namespace gumtile::engine
