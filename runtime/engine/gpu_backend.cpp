#include "runtime/engine/gpu_backend.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <limits>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "gumtile/error.h"
#include "runtime/assembler/cubin.h"
#include "runtime/cuda/graph.h"
#include "runtime/cuda/module.h"
#include "runtime/cuda/stream.h"
#include "runtime/engine/grid.h"
#include "runtime/engine/timing.h"

namespace gumtile::engine {
namespace {

using cuda::CUresult;
using cuda::Driver;

/// The largest y extent of a grid (CUDA C++ Programming Guide, "Technical Specifications per Compute
/// Capability").
constexpr int64_t kMaxGridY = 65535;

Status status_of(CUresult result) noexcept {
  if (result == CUresult::success) return Status::ok;
  return cuda::is_context_lost(result) ? Status::context_lost : Status::launch_failed;
}

/// Makes a context current for a launch, unless it is already current: the usual case, which costs one call.
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

/// Runs `body`; adds to the driver's report of a failure what the driver was given and its version.
template <typename Body>
auto naming_artifact(const Driver& driver, const KernelArtifact& artifact, const Body& body) {
  try {
    return body();
  } catch (const Error& error) {
    const std::string ptx =
        artifact.format == KernelArtifact::Format::ptx
            ? fmt::format(", PTX {}.{}", artifact.ptx_version / 10, artifact.ptx_version % 10)
            : "";
    throw Error(error.code(),
                fmt::format("{} (kernel for {}, schedule '{}'{}; the driver supports CUDA {})", error.what(),
                            artifact.target, artifact.schedule, ptx, cuda_version(driver.version)),
                error.notes());
  }
}

/// Caches and packs have hashes, but their writer may have got anything as a cubin.
cuda::Module load_cubin(const Driver& driver, const KernelArtifact& artifact, const std::string& cubin) {
  std::vector<std::string> entries{artifact.launch.sweep};
  if (!artifact.launch.stage.empty()) entries.push_back(artifact.launch.stage);
  if (const std::string why = assembler::why_not_cubin(cubin, Target::parse(artifact.target), entries);
      !why.empty())
    throw Error(ErrorCode::bad_data,
                fmt::format("what came as a cubin for {} is not one: {}", artifact.target, why));
  return cuda::Module::load_cubin(driver, std::as_bytes(std::span(cubin)));
}

/// Loads the artifact into the current context. A cubin beside PTX may be for another driver or card, so that
/// the PTX is needed.
cuda::Module load_module(const Driver& driver, const KernelArtifact& artifact, const Log& log) {
  if (artifact.format == KernelArtifact::Format::shared_object) {
    throw Error(
        ErrorCode::internal,
        fmt::format("a kernel for target '{}' came as a shared object, but a GPU runs PTX", artifact.target));
  }
  if (!artifact.cubin.empty()) {
    try {
      return load_cubin(driver, artifact, artifact.cubin);
    } catch (const Error& error) {
      if (log)
        log(LogLevel::info,
            fmt::format("the driver assembles a kernel for {} itself: {}", artifact.target, error.what()));
    }
  }
  return naming_artifact(driver, artifact, [&] {
    return artifact.format == KernelArtifact::Format::ptx ? cuda::Module::load_ptx(driver, artifact.code)
                                                          : load_cubin(driver, artifact, artifact.code);
  });
}

class GpuKernel final : public LoadedKernel {
 public:
  /// The context must be current.
  GpuKernel(KernelArtifact loaded, std::shared_ptr<const cuda::Context> context,
            const DeviceDescription& device, int max_blocks, const Log& log)
      : LoadedKernel(std::move(loaded), false),
        context_(std::move(context)),
        module_(load_module(context_->driver(), artifact(), log)) {
    waits_on_device_ = !spec().tensor_maps.empty() && context_->driver().cuLaunchKernelEx != nullptr;
    if (!spec().stage.empty()) stage_ = entry(spec().stage).handle();
    const cuda::Function sweep = entry(spec().sweep);
    sweep_ = sweep.handle();
    local_bytes_ = sweep.local_bytes();
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
    int64_t resident_blocks = int64_t{per_multiprocessor} * device.workers;
    if (max_blocks > 0) resident_blocks = std::min<int64_t>(resident_blocks, max_blocks);
    grid_ = {spec().units(), spec().rows_per_block, resident_blocks, spec().cluster_m, spec().cluster_n};
    const Driver& driver = context_->driver();
    if (!spec().tensor_maps.empty() && driver.cuTensorMapEncodeTiled == nullptr)
      throw Error(ErrorCode::device_unavailable,
                  fmt::format("schedule '{}' needs tensor maps, which the driver (CUDA {}) does not have",
                              artifact().schedule, cuda_version(driver.version)));
    if (spec().tensor_maps.size() > kMaxTensorMaps)
      throw Error(ErrorCode::internal, "a kernel's launch specification has too many tensor maps");
  }

  int local_bytes() const noexcept override { return local_bytes_; }

  std::unique_ptr<const BoundWeights> bind_weights(const void* data, int64_t row_stride) const override {
    // Encoding needs no device, but drivers refuse it if no context is current.
    const LaunchContext current(context_->driver(), context_->handle());
    const Matrix matrix{reinterpret_cast<uintptr_t>(data), static_cast<uint64_t>(row_stride),
                        static_cast<uint64_t>(spec().columns)};
    for (const LaunchSpec::TensorMap& map : spec().tensor_maps) {
      if (map.left) continue;
      auto bound = std::make_unique<DescribedWeights>();
      if (encode(map, matrix, bound->map) != CUresult::success) return nullptr;
      bound->matrix = matrix;
      return bound;
    }
    return nullptr;
  }

 protected:
  int64_t row_limit() const noexcept override {
    return std::min<int64_t>((kMaxGridY - 1) * spec().rows_per_block, std::numeric_limits<int32_t>::max());
  }

  int64_t workers(int64_t rows) const noexcept override { return grid_.workers(rows); }
  int64_t max_records(int64_t max_rows) const noexcept override { return grid_.max_records(max_rows); }

  bool has_shared_state() const noexcept override { return true; }

  Status clear(StreamHandle stream, void* memory, size_t bytes) const noexcept override {
    const Driver& driver = context_->driver();
    const LaunchContext current(driver, context_->handle());
    if (current.result() != CUresult::success) return status_of(current.result());
    return status_of(driver.cuMemsetD8Async(reinterpret_cast<uintptr_t>(memory), 0, bytes,
                                            static_cast<cuda::CUstream>(stream)));
  }

  Status run(StreamHandle stream, const abi::Words& words, const LaunchOptions& options,
             const BoundWeights* bound) const noexcept override {
    const auto* const weights = static_cast<const DescribedWeights*>(bound);
    const Driver& driver = context_->driver();
    const LaunchContext current(driver, context_->handle());
    if (current.result() != CUresult::success) return status_of(current.result());

    // The driver copies the parameters, of the sizes that the kernel declares, before the call returns.
    std::array<cuda::CUtensorMap, kMaxTensorMaps> maps;
    std::array<void*, 1 + kMaxTensorMaps> parameters{const_cast<uint64_t*>(words.data())};
    for (size_t i = 0; i < spec().tensor_maps.size(); ++i) {
      const Matrix matrix = operand(spec().tensor_maps[i], words);
      if (!spec().tensor_maps[i].left && weights != nullptr && matrix == weights->matrix) {
        parameters[i + 1] = const_cast<cuda::CUtensorMap*>(&weights->map);
        continue;
      }
      if (encode(spec().tensor_maps[i], matrix, maps[i]) != CUresult::success)
        return is_lost() ? Status::context_lost : Status::invalid_argument;
      parameters[i + 1] = &maps[i];
    }
    auto* const on = static_cast<cuda::CUstream>(stream);
    const uint64_t rows = words[abi::word_rows];
    if (words[abi::word_staged] != 0) {
      const CUresult result =
          driver.cuLaunchKernel(stage_, static_cast<unsigned>(rows), 1, 1, abi::kStageThreads, 1, 1, 0, on,
                                parameters.data(), nullptr);
      if (result != CUresult::success) return status_of(result);
    }
    const auto grid_x = static_cast<unsigned>(words[abi::word_workers]);
    const auto grid_y = static_cast<unsigned>(grid_.row_blocks(static_cast<int64_t>(rows)));
    const auto threads = static_cast<unsigned>(spec().threads);
    const auto shared_bytes = static_cast<unsigned>(spec().shared_bytes);
    // After a stage kernel there is nothing to overlap: the sweep reads what it writes.
    if (options.programmatic_dependent && words[abi::word_staged] == 0 && waits_on_device_) {
      cuda::CUlaunchAttribute attribute;
      attribute.id = cuda::CUlaunchAttributeID::programmatic_stream_serialization;
      attribute.value.programmatic_stream_serialization_allowed = 1;
      cuda::CUlaunchConfig config;
      config.grid_x = grid_x;
      config.grid_y = grid_y;
      config.block_x = threads;
      config.shared_memory_bytes = shared_bytes;
      config.stream = on;
      config.attributes = &attribute;
      config.attribute_count = 1;
      return status_of(driver.cuLaunchKernelEx(&config, sweep_, parameters.data(), nullptr));
    }
    return status_of(driver.cuLaunchKernel(sweep_, grid_x, grid_y, 1, threads, 1, 1, shared_bytes, on,
                                           parameters.data(), nullptr));
  }

 private:
  cuda::Function entry(const std::string& symbol) const {
    const cuda::Function function = module_.function(symbol);
    function.load();
    return function;
  }

  /// Whether the context is lost, for calls whose own results do not say. May be called while a stream is
  /// captured.
  bool is_lost() const noexcept {
    size_t free_bytes = 0, total_bytes = 0;
    return status_of(context_->driver().cuMemGetInfo(&free_bytes, &total_bytes)) == Status::context_lost;
  }

  /// An operand in memory; strides in elements.
  struct Matrix {
    uint64_t address = 0;
    uint64_t row_stride = 0;
    uint64_t rows = 0;
    bool operator==(const Matrix&) const = default;
  };

  struct DescribedWeights final : BoundWeights {
    Matrix matrix;
    cuda::CUtensorMap map{};
  };

  Matrix operand(const LaunchSpec::TensorMap& description, const abi::Words& words) const noexcept {
    if (description.left && words[abi::word_staged] != 0)
      return {words[abi::word_staged], static_cast<uint64_t>(spec().staged_stride), words[abi::word_rows]};
    const int input = description.left ? spec().contraction_left : spec().contraction_right;
    const uint64_t* binding = words.data() + abi::address_word(static_cast<size_t>(input));
    return {binding[0], binding[1],
            description.left ? words[abi::word_rows] : static_cast<uint64_t>(spec().columns)};
  }

  /// Boxes of `kBoxBytes`: rows past the matrix's end, and elements past a row's, are zeros.
  CUresult encode(const LaunchSpec::TensorMap& description, const Matrix& matrix,
                  cuda::CUtensorMap& map) const noexcept {
    const uint64_t sizes[] = {static_cast<uint64_t>(spec().contracted), matrix.rows};
    const DType format = spec().staged_dtype;
    const auto element_bytes = static_cast<uint32_t>(size_bytes(format));
    const uint64_t strides_bytes[] = {
        static_cast<uint64_t>(row_bytes(format, static_cast<int64_t>(matrix.row_stride)))};
    const auto box_rows = static_cast<uint64_t>(description.box_rows);
    const uint32_t box[] = {
        abi::kBoxBytes / element_bytes,
        static_cast<uint32_t>(description.left ? std::min(box_rows, matrix.rows) : box_rows)};
    const uint32_t steps[] = {1, 1};
    // A copy does not interpret elements: their size is enough.
    const auto type = element_bytes == 1   ? cuda::CUtensorMapDataType::u8
                      : element_bytes == 2 ? cuda::CUtensorMapDataType::u16
                                           : cuda::CUtensorMapDataType::f32;
    const auto promotion = description.l2_promotion == 256   ? cuda::CUtensorMapL2promotion::bytes256
                           : description.l2_promotion == 128 ? cuda::CUtensorMapL2promotion::bytes128
                                                             : cuda::CUtensorMapL2promotion::bytes64;
    return context_->driver().cuTensorMapEncodeTiled(
        &map, type, 2, reinterpret_cast<void*>(static_cast<uintptr_t>(matrix.address)), sizes, strides_bytes,
        box, steps, cuda::CUtensorMapInterleave::none, cuda::CUtensorMapSwizzle::bytes128, promotion,
        cuda::CUtensorMapFloatOOBfill::zeros);
  }

  static constexpr size_t kMaxTensorMaps = 2;

  std::shared_ptr<const cuda::Context> context_;
  cuda::Module module_;
  cuda::CUfunction stage_ = nullptr;
  cuda::CUfunction sweep_ = nullptr;
  int local_bytes_ = 0;
  bool waits_on_device_ = false;  ///< the sweep waits on the device, so that it may be launched before the
                                  ///< previous kernel has ended
  Grid grid_;
};

class GpuBackend final : public Backend {
 public:
  GpuBackend(const cuda::DeviceInfo& info, const EngineOptions& options)
      : max_blocks_(options.max_blocks), log_(options.log) {
    device_.name = info.name;
    device_.id = fmt::format("cuda:{}", info.ordinal);
    device_.target = target_for_device(info.sm_major, info.sm_minor);
    device_.workers = info.multiprocessors;
    ordinal_ = info.ordinal;
    device_.memory_bytes = info.memory_bytes;
    // Both edges of the clock carry data.
    device_.memory_bytes_per_second = 2e3 * info.memory_clock_khz * info.memory_bus_bits / 8;
    context_ = std::make_shared<const cuda::Context>(options.use_current_context
                                                         ? cuda::Context::current(info.ordinal)
                                                         : cuda::Context::primary(info.ordinal));
  }

  std::unique_ptr<const LoadedKernel> load(KernelArtifact artifact) override {
    const cuda::ScopedContext scope = context_->push();
    return std::make_unique<GpuKernel>(std::move(artifact), context_, device_, max_blocks_, log_);
  }

  std::string pointer_fault(const void* data, size_t bytes) const override {
    const cuda::ScopedContext scope = context_->push();
    const auto ask = [&](cuda::CUpointer_attribute what, auto& value) {
      const CUresult result = driver().cuPointerGetAttribute(&value, what, address_of(data));
      if (cuda::is_context_lost(result)) cuda::throw_error(driver(), result, "asking about a pointer");
      return result == CUresult::success;
    };
    unsigned type = 0;
    if (!ask(cuda::CUpointer_attribute::memory_type, type))
      return fmt::format(
          "{} is ordinary host memory, which {} cannot read; use device, managed or mapped "
          "pinned memory",
          data, device_.id);
    int ordinal = ordinal_;
    if (type == static_cast<unsigned>(cuda::CUmemorytype::device) &&
        ask(cuda::CUpointer_attribute::device_ordinal, ordinal) && ordinal != ordinal_)
      return fmt::format("{} is memory of device cuda:{}, but the engine drives {}", data, ordinal,
                         device_.id);
    cuda::CUdeviceptr start = 0;
    size_t size = 0;
    if (ask(cuda::CUpointer_attribute::range_start_address, start) &&
        ask(cuda::CUpointer_attribute::range_size, size) && address_of(data) + bytes > start + size)
      return fmt::format("{} bytes are read or written at {}, but its allocation ends after {}", bytes, data,
                         start + size - address_of(data));
    return {};
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
    // Once outside of a capture: the first launch may do things that a capture does not allow.
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

  std::shared_ptr<const cuda::Context> context_;
  int ordinal_ = 0;
  int max_blocks_ = 0;
  Log log_;
};

}  // namespace

std::unique_ptr<Backend> open_gpu(const cuda::DeviceInfo& info, const EngineOptions& options) {
  return std::make_unique<GpuBackend>(info, options);
}

}  // namespace gumtile::engine
