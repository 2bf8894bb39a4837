#include "runtime/cpu/thread_pool.h"

#include <fmt/format.h>
#include <pthread.h>

#include <algorithm>
#include <csignal>
#include <system_error>

#include "gumtile/error.h"
#include "runtime/cpu/cpu_info.h"
#include "support/float_environment.h"

// How a call runs. The caller fills in job_, opens inside_, announces the job's number and takes tasks. A
// worker that notices the number enters (adds itself to inside_, only while that is open), takes tasks until
// none is left, and leaves. When the caller finds no more tasks it closes inside_ and waits for the workers
// within. So a worker that the system schedules late delays nothing: it finds inside_ closed, or enters a
// later job, which is also correct.

namespace gumtile::cpu {
namespace {

constexpr uint32_t kOpen = uint32_t{1} << 31;

/// How often a shared value is polled before sleeping on it: 20 to 50 us, about what waking a sleeping thread
/// costs.
constexpr int kSpins = 1000;

void pause_briefly() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Waits until `value` is no longer `old`, and returns the new value.
template <typename T>
T wait_while(const std::atomic<T>& value, T old) {
  for (int spin = 0; spin < kSpins; ++spin) {
    const T now = value.load(std::memory_order_acquire);
    if (now != old) return now;
    pause_briefly();
  }
  for (;;) {
    value.wait(old, std::memory_order_acquire);
    const T now = value.load(std::memory_order_acquire);
    if (now != old) return now;
  }
}

template <typename T>
void wait_until_zero(const std::atomic<T>& value) {
  for (T now = value.load(std::memory_order_acquire); now != 0;) now = wait_while(value, now);
}

/// Blocks the signals that a program handles on threads of its own choice, so that threads started meanwhile
/// never run its handlers. Faults are still delivered to the thread that causes them.
class BlockedSignals {
 public:
  BlockedSignals() {
    sigset_t blocked;
    sigfillset(&blocked);
    for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGABRT, SIGSYS})
      sigdelset(&blocked, fault);
    pthread_sigmask(SIG_BLOCK, &blocked, &before_);
  }
  ~BlockedSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;

 private:
  sigset_t before_;
};

}  // namespace

int ThreadPool::default_threads() {
  const int hardware = static_cast<int>(std::thread::hardware_concurrency());  // 0 if unknown
  const int usable = usable_threads();
  return hardware > 0 ? std::min(hardware, usable) : usable;
}

ThreadPool::ThreadPool(int threads) : threads_(threads > 0 ? threads : default_threads()) {
  try {
    start_threads();
  } catch (const std::system_error& error) {
    const size_t started = workers_.size() + 1;
    stop_threads();
    throw Error(
        ErrorCode::device_unavailable,
        fmt::format("the system started {} of {} threads for the CPU device ({}); ask for fewer threads or "
                    "raise the limit on processes",
                    started, threads_, error.what()));
  }
}

ThreadPool::~ThreadPool() {
  if (fork_mark_.forked()) {
    // The threads exist only in the parent: joining them would never end.
    for (std::thread& worker : workers_) worker.detach();
    return;
  }
  stop_threads();
}

void ThreadPool::start_threads() {
  const BlockedSignals blocked;
  workers_.reserve(static_cast<size_t>(threads_) - 1);
  for (int worker = 1; worker < threads_; ++worker) {
    workers_.emplace_back(&ThreadPool::worker_main, this, worker);
    pthread_setname_np(workers_.back().native_handle(), "gumtile-cpu");
  }
}

void ThreadPool::stop_threads() {
  stopping_.store(true, std::memory_order_relaxed);
  announced_.fetch_add(1, std::memory_order_release);
  announced_.notify_all();
  for (std::thread& worker : workers_) worker.join();
  workers_.clear();
}

void ThreadPool::run(int tasks, Task task, void* context) {
  if (tasks <= 0) return;
  Job job;
  job.task = task;
  job.context = context;
  job.tasks = tasks;
  run_job(job);
}

void ThreadPool::run_on_each_worker(Task task, void* context) {
  Job job;
  job.task = task;
  job.context = context;
  job.tasks = threads_;
  job.each_worker = true;
  run_job(job);
}

void ThreadPool::run_job(const Job& job) {
  const std::lock_guard<std::mutex> lock(one_call_at_a_time_);
  job_ = job;
  job_.number = ++calls_;
  next_task_.store(0, std::memory_order_relaxed);
  if (threads_ == 1 || job.tasks == 1) {
    take_tasks(0);
    return;
  }
  absent_.store(threads_, std::memory_order_relaxed);
  inside_.store(kOpen, std::memory_order_release);
  announced_.store(static_cast<uint32_t>(job_.number), std::memory_order_release);
  announced_.notify_all();

  take_tasks(0);
  if (job.each_worker) wait_until_zero(absent_);
  inside_.fetch_and(~kOpen, std::memory_order_acq_rel);
  wait_until_zero(inside_);
}

void ThreadPool::worker_main(int worker) {
  const DefaultFloatEnvironment default_arithmetic;  // not that of the thread that started this one
  uint32_t seen = 0;                                 // the latest number noticed
  uint64_t each_done = 0;                            // the latest each_worker job done
  for (;;) {
    seen = wait_while(announced_, seen);
    if (stopping_.load(std::memory_order_relaxed)) return;
    if (!enter()) continue;
    // The current job may be later than `seen`; it is then entered again.
    if (!job_.each_worker) {
      take_tasks(worker);
    } else if (job_.number != each_done) {
      each_done = job_.number;
      take_tasks(worker);
    }
    leave();
  }
}

void ThreadPool::take_tasks(int worker) noexcept {
  if (job_.each_worker) {
    job_.task(job_.context, worker, worker);
    if (absent_.fetch_sub(1, std::memory_order_acq_rel) == 1) absent_.notify_all();
    return;
  }
  for (;;) {
    const int64_t task = next_task_.fetch_add(1, std::memory_order_relaxed);
    if (task >= job_.tasks) return;
    job_.task(job_.context, static_cast<int>(task), worker);
  }
}

bool ThreadPool::enter() {
  uint32_t now = inside_.load(std::memory_order_relaxed);
  while ((now & kOpen) != 0) {
    if (inside_.compare_exchange_weak(now, now + 1, std::memory_order_acquire, std::memory_order_relaxed))
      return true;
  }
  return false;
}

void ThreadPool::leave() {
  // Only the caller of `run` sleeps on inside_, and only after it has closed it.
  if (inside_.fetch_sub(1, std::memory_order_acq_rel) == 1) inside_.notify_all();
}

}  // namespace gumtile::cpu
