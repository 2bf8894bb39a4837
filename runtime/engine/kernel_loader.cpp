#include "runtime/engine/kernel_loader.h"

#include <fmt/format.h>

#include <chrono>
#include <optional>
#include <utility>

#include "gumtile/error.h"
#include "runtime/engine/set_up_log.h"

namespace gumtile::engine {
namespace {

double milliseconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
}

/// Adds the time from construction to destruction to `sum`, under `mutex`.
class Stopwatch {
 public:
  Stopwatch(std::mutex& mutex, double& sum_ms) : mutex_(mutex), sum_ms_(sum_ms) {}
  ~Stopwatch() {
    const double ms = milliseconds_since(start_);
    const std::lock_guard lock(mutex_);
    sum_ms_ += ms;
  }
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

 private:
  std::mutex& mutex_;
  double& sum_ms_;
  std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
};

}  // namespace

KernelLoader::KernelLoader(Backend& backend, std::shared_ptr<KernelSource> source,
                           std::shared_ptr<ModuleCache> cache, Log log)
    : backend_(backend), source_(std::move(source)), cache_(std::move(cache)), log_(std::move(log)) {}

EngineStats KernelLoader::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

std::shared_ptr<const LoadedKernel> KernelLoader::load(const KernelPlan& plan) {
  if (source_ == nullptr)
    throw Error(
        ErrorCode::usage,
        "the engine has no source of kernels: open it with a pack, or use the gumtile that has the compiler");
  const std::string identity = source_->identity(plan.target);
  if (identity.empty()) return make(plan, {});
  const std::string key = key_text(plan) + identity;

  std::unique_lock lock(mutex_);
  Slot& slot = slots_[key];
  loaded_.wait(lock, [&] { return !slot.loading; });
  if (std::shared_ptr<const LoadedKernel> kernel = slot.kernel.lock()) {
    ++stats_.shared;
    return kernel;
  }
  slot.loading = true;
  lock.unlock();
  std::shared_ptr<const LoadedKernel> kernel;
  const auto done = [&] {
    lock.lock();
    slot.loading = false;
    slot.kernel = kernel;
    loaded_.notify_all();
  };
  try {
    kernel = make(plan, key);
  } catch (...) {
    done();
    throw;
  }
  done();
  return kernel;
}

std::shared_ptr<const LoadedKernel> KernelLoader::make(const KernelPlan& plan, const std::string& key) {
  const bool cached = cache_ != nullptr && !key.empty();
  if (cached)
    if (std::shared_ptr<const LoadedKernel> kernel = from_cache(key)) {
      log_taken(log_, plan, "the cache");
      return kernel;
    }

  const auto start = std::chrono::steady_clock::now();
  KernelArtifact artifact;
  {
    const Stopwatch watch(mutex_, stats_.compile_ms);
    artifact = source_->get(plan);
  }
  const bool ready_made = artifact.ready_made;
  if (ready_made)
    log_taken(log_, plan, "a pack");
  else
    log_compiled(log_, plan, artifact, milliseconds_since(start));
  {
    const std::lock_guard lock(mutex_);
    ++(ready_made ? stats_.ready_made : stats_.compiles);
  }
  if (ready_made && artifact.format == KernelArtifact::Format::cubin) {
    // Assembled elsewhere, perhaps for another card or driver.
    try {
      return load_artifact(std::move(artifact));
    } catch (const Error& error) {
      if (error.code() == ErrorCode::context_lost) throw;
      std::optional<KernelArtifact> ptx = source_->find_ptx(plan);
      if (!ptx) throw;
      if (log_)
        log_(LogLevel::warning,
             fmt::format("a ready-made kernel could not be loaded, its PTX is taken: {}", error.what()));
      artifact = std::move(*ptx);
    }
  }
  if (cached && !ready_made) cache_->put(key, artifact);
  return load_artifact(std::move(artifact));
}

std::shared_ptr<const LoadedKernel> KernelLoader::from_cache(const std::string& key) {
  std::optional<KernelArtifact> artifact;
  {
    const Stopwatch watch(mutex_, stats_.cache_ms);
    artifact = cache_->get(key);
  }
  if (!artifact) return nullptr;
  try {
    std::shared_ptr<const LoadedKernel> kernel = load_artifact(std::move(*artifact));
    const std::lock_guard lock(mutex_);
    ++stats_.cache_hits;
    return kernel;
  } catch (const Error& error) {
    if (error.code() == ErrorCode::context_lost) throw;
    // Undamaged, but refused by this driver: compiled again.
    if (log_) log_(LogLevel::warning, fmt::format("a cached kernel could not be loaded: {}", error.what()));
    return nullptr;
  }
}

std::shared_ptr<const LoadedKernel> KernelLoader::load_artifact(KernelArtifact artifact) {
  std::shared_ptr<const LoadedKernel> kernel;
  {
    const Stopwatch watch(mutex_, stats_.load_ms);
    kernel = backend_.load(std::move(artifact));
  }
  const std::lock_guard lock(mutex_);
  ++stats_.loads;
  return kernel;
}

}  // namespace gumtile::engine
