#include "gumtile/engine.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>
#include <utility>

#include "gumtile/error.h"
#include "runtime/engine/backend.h"
#include "runtime/engine/cpu_backend.h"
#include "runtime/engine/gpu_backend.h"

namespace gumtile {
namespace {

constexpr std::string_view kCudaPrefix = "cuda:";

/// Compute capability of the oldest GPU that there are kernels for.
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

std::unique_ptr<engine::Backend> open_first() {
  for (const cuda::DeviceInfo& info : cuda::list_devices())
    if (info.sm_major >= kOldestSmMajor) return engine::open_gpu(info);
  return engine::open_cpu();
}

std::unique_ptr<engine::Backend> open_ordinal(int ordinal) {
  std::string why_not;
  const std::vector<cuda::DeviceInfo> devices = cuda::list_devices(&why_not);
  std::vector<std::string> present{"'cpu'"};
  for (const cuda::DeviceInfo& info : devices) {
    if (info.ordinal == ordinal) return engine::open_gpu(info);
    present.push_back(fmt::format("'cuda:{}' ({})", info.ordinal, info.name));
  }
  throw Error(ErrorCode::device_unavailable,
              fmt::format("there is no device 'cuda:{}'{}{}; available: {}", ordinal,
                          devices.empty() ? ": " : "", why_not, fmt::join(present, ", ")));
}

std::unique_ptr<engine::Backend> open_backend(std::string_view device) {
  if (device == "auto") return open_first();
  if (device == "cpu") return engine::open_cpu();
  return open_ordinal(parse_ordinal(device));
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
  }
  return "unknown";
}

struct Kernel::Impl {
  std::unique_ptr<engine::LoadedKernel> loaded;
};

Kernel::Kernel(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Kernel::~Kernel() = default;
Kernel::Kernel(Kernel&&) noexcept = default;
Kernel& Kernel::operator=(Kernel&&) noexcept = default;

const KernelArtifact& Kernel::artifact() const { return impl_->loaded->artifact(); }

void Kernel::bind_weights(const void* data, int64_t row_stride) {
  impl_->loaded->bind_weights(data, row_stride);
}

Kernel::WorkspaceBytes Kernel::workspace(int64_t max_rows) const {
  return impl_->loaded->workspace(max_rows);
}

Status Kernel::workspace_init(StreamHandle stream, void* workspace, size_t workspace_bytes) const noexcept {
  return impl_->loaded->workspace_init(stream, workspace, workspace_bytes);
}

Status Kernel::launch(StreamHandle stream, int64_t rows, std::span<const Binding> inputs,
                      std::span<const Binding> outputs, void* workspace, size_t workspace_bytes,
                      const LaunchOptions& options) const noexcept {
  return impl_->loaded->launch(stream, rows, inputs, outputs, workspace, workspace_bytes, options);
}

struct Engine::Impl {
  std::unique_ptr<engine::Backend> backend;
  std::shared_ptr<KernelSource> source;
};

Engine::Engine(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Engine::~Engine() = default;

std::shared_ptr<Engine> Engine::open(std::string_view device, std::shared_ptr<KernelSource> source) {
  auto impl = std::make_unique<Impl>();
  impl->backend = open_backend(device);
  impl->source = std::move(source);
  return std::shared_ptr<Engine>(new Engine(std::move(impl)));
}

const DeviceDescription& Engine::device() const { return impl_->backend->device(); }

Kernel Engine::load(const KernelPlan& plan) {
  if (impl_->source == nullptr)
    throw Error(ErrorCode::usage, "the engine was opened without a source of kernels; open it with one");
  if (plan.target.kind != device().target.kind) {
    throw Error(ErrorCode::usage, fmt::format("the plan is for target '{}', but the engine runs '{}' ({})",
                                              plan.target.str(), device().target.str(), device().id));
  }
  auto impl = std::make_unique<Kernel::Impl>();
  impl->loaded = impl_->backend->load(impl_->source->get(plan));
  return Kernel(std::move(impl));
}

void* Engine::allocate(size_t bytes) { return impl_->backend->allocate(bytes); }
void Engine::release(void* memory) { impl_->backend->release(memory); }
void Engine::copy_to_device(void* to, const void* from, size_t bytes) {
  impl_->backend->copy_to_device(to, from, bytes);
}
void Engine::copy_to_host(void* to, const void* from, size_t bytes) {
  impl_->backend->copy_to_host(to, from, bytes);
}
void Engine::synchronize(StreamHandle stream) { impl_->backend->synchronize(stream); }

Engine::Timing Engine::time(const std::function<Status(StreamHandle)>& launch, int repeats, int warmup) {
  return impl_->backend->time(launch, repeats, warmup);
}

}  // namespace gumtile
