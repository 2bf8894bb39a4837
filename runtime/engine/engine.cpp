#include "gumtile/engine.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "gumtile/assembler.h"
#include "gumtile/error.h"
#include "gumtile/module_cache.h"
#include "gumtile/tuning.h"
#include "runtime/cpu/fork.h"
#include "runtime/cuda/device.h"
#include "runtime/cuda/driver.h"
#include "runtime/engine/backend.h"
#include "runtime/engine/cpu_backend.h"
#include "runtime/engine/gpu_backend.h"
#include "runtime/engine/kernel_loader.h"
#include "runtime/engine/set_up_log.h"

namespace gumtile {
namespace {

constexpr std::string_view kCudaPrefix = "cuda:";

/// Compute capability of the oldest supported GPU.
constexpr int kOldestSmMajor = 7;

/// N of "cuda:N".
int parse_ordinal(std::string_view device) {
  int ordinal = -1;
  if (device.starts_with(kCudaPrefix)) {
    const std::string_view digits = device.substr(kCudaPrefix.size());
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), ordinal);
    if (error != std::errc{} || end != digits.data() + digits.size()) ordinal = -1;
  }
  if (ordinal < 0)
    throw Error(ErrorCode::usage,
                fmt::format("unknown device '{}'; expected 'auto', 'cpu' or 'cuda:N' with N from 0", device));
  return ordinal;
}

/// Whether this process was forked from one that had looked for GPUs: the driver does not work in it then.
bool is_driver_lost() {
  static const cpu::ForkMark first_use;
  return first_use.forked();
}

std::unique_ptr<engine::Backend> open_first(const EngineOptions& options) {
  if (is_driver_lost()) {
    if (options.log)
      options.log(LogLevel::warning,
                  "GPUs are not looked for, since this process was forked from one that had done so");
    return engine::open_cpu(options.cpu_threads);
  }
  std::string why_not;
  const std::vector<cuda::DeviceInfo> devices = cuda::list_devices(&why_not);
  for (const cuda::DeviceInfo& info : devices)
    if (info.sm_major >= kOldestSmMajor) return engine::open_gpu(info, options);
  if (!devices.empty())
    why_not = fmt::format("'{}' is sm_{}{}, and gumtile needs sm_{}0 or later", devices.front().name,
                          devices.front().sm_major, devices.front().sm_minor, kOldestSmMajor);
  // A user who has a GPU needs to know why it is not used; one who has none does not.
  const bool surprising = !devices.empty() || cuda::Driver::is_broken();
  if (options.log)
    options.log(surprising ? LogLevel::warning : LogLevel::info,
                fmt::format("device 'auto' is the CPU: {}", why_not));
  return engine::open_cpu(options.cpu_threads);
}

std::unique_ptr<engine::Backend> open_ordinal(int ordinal, const EngineOptions& options) {
  if (is_driver_lost())
    throw Error(
        ErrorCode::device_unavailable,
        fmt::format("device 'cuda:{}' cannot be opened: this process was forked from one that had "
                    "initialised CUDA, which does not survive a fork; start processes by spawning, or "
                    "fork before CUDA is used",
                    ordinal));
  std::string why_not;
  const std::vector<cuda::DeviceInfo> devices = cuda::list_devices(&why_not);
  std::vector<std::string> present{"'cpu'"};
  for (const cuda::DeviceInfo& info : devices) {
    if (info.ordinal == ordinal) return engine::open_gpu(info, options);
    present.push_back(fmt::format("'cuda:{}' ({})", info.ordinal, info.name));
  }
  throw Error(ErrorCode::device_unavailable,
              fmt::format("there is no device 'cuda:{}'{}{}; available: {}", ordinal,
                          devices.empty() ? ": " : "", why_not, fmt::join(present, ", ")));
}

std::unique_ptr<engine::Backend> open_backend(std::string_view device, const EngineOptions& options) {
  if (device == "auto") return open_first(options);
  if (device == "cpu") return engine::open_cpu(options.cpu_threads);
  return open_ordinal(parse_ordinal(device), options);
}

}  // namespace

std::string_view name(Status status) {
  switch (status) {
    case Status::ok:
      return "ok";
    case Status::not_prepared:
      return "not_prepared";
    case Status::too_many_rows:
      return "too_many_rows";
    case Status::workspace_too_small:
      return "workspace_too_small";
    case Status::invalid_argument:
      return "invalid_argument";
    case Status::launch_failed:
      return "launch_failed";
    case Status::context_lost:
      return "context_lost";
    case Status::forked:
      return "forked";
  }
  return "unknown";
}

EngineOptions default_engine_options(std::shared_ptr<KernelSource> source, const Log& given) {
  const Log log = with_environment_log(given);
  EngineOptions options;
  options.source = with_assembler(std::move(source), log);
  ModuleCacheOptions cache;
  cache.log = log;
  options.cache = std::make_shared<ModuleCache>(std::move(cache));
  options.tuning = TuningRecords::load({}, log);
  options.log = log;
  return options;
}

struct Kernel::Impl {
  std::shared_ptr<const engine::LoadedKernel> loaded;
  std::unique_ptr<const engine::BoundWeights> weights;
  cpu::ForkMark fork_mark;
};

Kernel::Kernel(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Kernel::~Kernel() = default;
Kernel::Kernel(Kernel&&) noexcept = default;
Kernel& Kernel::operator=(Kernel&&) noexcept = default;

const KernelArtifact& Kernel::artifact() const { return impl_->loaded->artifact(); }

int Kernel::local_bytes() const { return impl_->loaded->local_bytes(); }

void Kernel::bind_weights(const void* data, int64_t row_stride) {
  impl_->weights = impl_->loaded->bind_weights(data, row_stride);
}

Kernel::WorkspaceBytes Kernel::workspace(int64_t max_rows) const {
  return impl_->loaded->workspace(max_rows);
}

Status Kernel::workspace_init(StreamHandle stream, void* workspace, size_t workspace_bytes) const noexcept {
  if (impl_->fork_mark.forked()) return Status::forked;
  return impl_->loaded->workspace_init(stream, workspace, workspace_bytes);
}

Status Kernel::launch(StreamHandle stream, int64_t rows, std::span<const Binding> inputs,
                      std::span<const Binding> outputs, void* workspace, size_t workspace_bytes,
                      const LaunchOptions& options) const noexcept {
  if (impl_->fork_mark.forked()) return Status::forked;
  return impl_->loaded->launch(stream, rows, inputs, outputs, workspace, workspace_bytes, options,
                               impl_->weights.get());
}

struct Engine::Impl {
  EngineOptions options;
  std::unique_ptr<engine::Backend> backend;
  std::unique_ptr<engine::KernelLoader> loader;
  cpu::ForkMark fork_mark;
  std::mutex allocations_mutex;
  std::unordered_map<void*, size_t> allocations;
  uint64_t allocated_bytes = 0;

  engine::Backend& usable_backend() const {
    if (fork_mark.forked())
      throw Error(ErrorCode::device_unavailable,
                  "the engine was opened before this process was forked; neither a CUDA context nor threads "
                  "survive a fork: open an engine in this process");
    return *backend;
  }
};

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Engine::~Engine() {
  // In a forked child it cannot be destroyed: threads that may hold its locks are gone, and so is the
  // device's context.
  if (impl_ != nullptr && impl_->fork_mark.forked()) impl_.release();  // NOLINT(bugprone-unused-return-value)
}

std::shared_ptr<Engine> Engine::open(std::string_view device, EngineOptions options) {
  options.log = with_environment_log(std::move(options.log));
  auto impl = std::make_unique<Impl>();
  impl->backend = open_backend(device, options);
  engine::log_device(options.log, impl->backend->device());
  impl->loader =
      std::make_unique<engine::KernelLoader>(*impl->backend, options.source, options.cache, options.log);
  impl->options = std::move(options);
  return std::shared_ptr<Engine>(new Engine(std::move(impl)));
}

std::shared_ptr<Engine> Engine::open(std::string_view device, std::shared_ptr<KernelSource> source) {
  return open(device, source == nullptr ? EngineOptions{} : default_engine_options(std::move(source)));
}

const DeviceDescription& Engine::device() const { return impl_->backend->device(); }
const EngineOptions& Engine::options() const { return impl_->options; }

EngineStats Engine::stats() const {
  impl_->usable_backend();  // in a forked child, locks may be held by threads that do not exist there
  EngineStats stats = impl_->loader->stats();
  const std::lock_guard lock(impl_->allocations_mutex);
  stats.allocated_bytes = impl_->allocated_bytes;
  return stats;
}

Kernel Engine::load(const KernelPlan& plan) {
  if (plan.target.kind != device().target.kind) {
    throw Error(ErrorCode::usage, fmt::format("the plan is for target '{}', but the engine runs '{}' ({})",
                                              plan.target.str(), device().target.str(), device().id));
  }
  impl_->usable_backend();
  auto impl = std::make_unique<Kernel::Impl>();
  impl->loaded = impl_->loader->load(plan);
  return Kernel(std::move(impl));
}

std::string Engine::pointer_fault(const void* data, size_t bytes) const {
  if (bytes == 0) return {};
  if (data == nullptr) return "the address is null";
  return impl_->usable_backend().pointer_fault(data, bytes);
}

void* Engine::allocate(size_t bytes) {
  void* const memory = impl_->usable_backend().allocate(bytes);
  if (memory == nullptr) return nullptr;
  const std::lock_guard lock(impl_->allocations_mutex);
  impl_->allocations.emplace(memory, bytes);
  impl_->allocated_bytes += bytes;
  return memory;
}

void Engine::release(void* memory) {
  if (memory == nullptr || impl_->fork_mark.forked()) return;  // a child owns nothing on the device
  {
    const std::lock_guard lock(impl_->allocations_mutex);
    if (const auto found = impl_->allocations.find(memory); found != impl_->allocations.end()) {
      impl_->allocated_bytes -= found->second;
      impl_->allocations.erase(found);
    }
  }
  impl_->backend->release(memory);
}

namespace {

void require_addresses(const void* to, const void* from, size_t bytes) {
  if (bytes != 0 && (to == nullptr || from == nullptr))
    throw Error(ErrorCode::usage,
                fmt::format("{} bytes cannot be copied {} null", bytes, to == nullptr ? "to" : "from"));
}

}  // namespace

void Engine::copy_to_device(void* to, const void* from, size_t bytes) {
  require_addresses(to, from, bytes);
  impl_->usable_backend().copy_to_device(to, from, bytes);
}
void Engine::copy_to_host(void* to, const void* from, size_t bytes) {
  require_addresses(to, from, bytes);
  impl_->usable_backend().copy_to_host(to, from, bytes);
}
void Engine::synchronize(StreamHandle stream) { impl_->usable_backend().synchronize(stream); }

Engine::Timing Engine::time(const std::function<Status(StreamHandle)>& launch, int repeats, int warmup) {
  return impl_->usable_backend().time(launch, repeats, warmup);
}

}  // namespace gumtile
