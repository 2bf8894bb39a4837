#include "tools/compile_kernels.h"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <map>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "gumtile/assembler.h"
#include "gumtile/compiler.h"
#include "gumtile/error.h"
#include "runtime/cpu/cpu_info.h"
#include "tools/output.h"
#include "tools/termination.h"

namespace gumtile::tools {
namespace {

/// Threads that are told to stop and waited for however the scope is left, even if one of them cannot be
/// started.
class Threads {
 public:
  explicit Threads(std::atomic<bool>& stop) : stop_(stop) {}
  ~Threads() { stop_ = true; }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

  template <typename Work>
  void start(size_t count, const Work& work) {
    threads_.reserve(count);
    try {
      while (threads_.size() < count) threads_.emplace_back(work);
    } catch (const std::system_error& error) {
      if (!threads_.empty()) return;  // fewer are enough
      throw Error(ErrorCode::device_unavailable,
                  fmt::format("no thread could be started ({}); raise the limit on processes", error.what()));
    }
  }
  void join() { threads_.clear(); }

 private:
  std::atomic<bool>& stop_;
  std::vector<std::jthread> threads_;
};

}  // namespace

CompiledKernels compile_kernels(const std::vector<PackPlan>& plans, const CompileOptions& options) {
  const HeldTermination held;  // before the threads, which inherit the signal mask
  CompiledKernels result;
  result.artifacts.resize(plans.size());
  std::mutex mutex;
  std::condition_variable changed;
  std::atomic<size_t> next{0};
  std::atomic<bool> stop{false};
  std::exception_ptr failure;
  std::map<std::string, std::string> without_cubin;
  int done = 0;

  const auto make = [&](size_t i) {
    std::vector<KernelArtifact> artifacts{compile(plans[i].plan, warnings_to_stderr())};
    const Target& target = plans[i].plan.target;
    if (!target.is_cuda() || options.ptxas.empty()) return artifacts;
    KernelArtifact cubin = artifacts.front();
    try {
      cubin.code = assemble(options.ptxas, cubin.code, target, [&] { return stop.load(); });
    } catch (const Error& error) {
      if (!options.ptxas_may_fail || error.code() == ErrorCode::cancelled) throw;
      const std::lock_guard lock(mutex);
      std::string words = error.what();
      for (const std::string& note : error.notes()) words += "\n" + note;
      without_cubin.emplace(target.str(), std::move(words));
      return artifacts;
    }
    cubin.format = KernelArtifact::Format::cubin;
    artifacts.push_back(std::move(cubin));
    return artifacts;
  };
  const auto work = [&] {
    for (size_t i = next.fetch_add(1); i < plans.size() && !stop; i = next.fetch_add(1)) {
      try {
        result.artifacts[i] = make(i);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (failure == nullptr) failure = std::current_exception();
        stop = true;
      }
      const std::lock_guard lock(mutex);
      ++done;
      changed.notify_all();
    }
  };

  const auto processors = static_cast<size_t>(cpu::usable_threads());
  const size_t wanted = options.threads > 0 ? static_cast<size_t>(options.threads) : processors;
  Threads threads(stop);
  threads.start(std::min(wanted, plans.size()), work);
  const int total = static_cast<int>(plans.size());
  int ended_by = 0;
  for (int told = -1; told < total && !stop;) {
    int now = 0;
    {
      std::unique_lock lock(mutex);
      changed.wait_for(lock, std::chrono::milliseconds(100), [&] { return done > told || stop; });
      now = done;
    }
    if (now != told && options.progress) options.progress(now, total);
    told = now;
    ended_by = held.take();
    if (ended_by != 0) stop = true;
  }
  threads.join();
  if (ended_by != 0) end_by(ended_by);
  if (ended_by != 0) throw Error(ErrorCode::cancelled, "interrupted; nothing was written");
  if (failure != nullptr) std::rethrow_exception(failure);
  for (auto& [target, words] : without_cubin)
    result.without_cubin.push_back(fmt::format("no cubins for {}, PTX only: {}", target, words));
  return result;
}

}  // namespace gumtile::tools
