#include "runtime/engine/parallel.h"

#include <condition_variable>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace gumtile::engine {
namespace {

/// What the threads share; its destructor joins them.
class Work {
 public:
  Work(size_t tasks, const std::function<void(size_t)>& task) : tasks_(tasks), task_(task) {}
  ~Work() {
    stop();
    for (std::thread& thread : threads_) thread.join();
  }
  Work(const Work&) = delete;
  Work& operator=(const Work&) = delete;

  /// Starts as many threads as the system allows, at most `count`. Returns how many.
  size_t start(int count) {
    threads_.reserve(static_cast<size_t>(count));
    for (int i = 0; i < count; ++i) {
      {
        const std::lock_guard lock(mutex_);
        ++running_;
      }
      try {
        threads_.emplace_back([this] { run(); });
      } catch (const std::system_error&) {
        const std::lock_guard lock(mutex_);
        --running_;
        break;
      }
    }
    return threads_.size();
  }

  /// Runs tasks until none is left.
  void run() {
    for (size_t i = 0; take(i);) {
      std::exception_ptr failure;
      try {
        task_(i);
      } catch (...) {
        failure = std::current_exception();
      }
      const std::lock_guard lock(mutex_);
      if (failure == nullptr) {
        ++done_;
      } else {
        if (failure_ == nullptr) failure_ = failure;
        stopped_ = true;
      }
      changed_.notify_all();
    }
    const std::lock_guard lock(mutex_);
    if (running_ > 0) --running_;
    changed_.notify_all();
  }

  void stop() {
    const std::lock_guard lock(mutex_);
    stopped_ = true;
  }

  /// Waits until more than `told` tasks are done, or for the end. Returns how many are done.
  size_t wait(size_t told, bool& ended) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return done_ > told || running_ == 0; });
    ended = running_ == 0;
    return done_;
  }

  std::exception_ptr failure() {
    const std::lock_guard lock(mutex_);
    return failure_;
  }

 private:
  bool take(size_t& task) {
    const std::lock_guard lock(mutex_);
    if (stopped_ || next_ == tasks_) return false;
    task = next_++;
    return true;
  }

  const size_t tasks_;
  const std::function<void(size_t)>& task_;
  std::mutex mutex_;
  std::condition_variable changed_;
  size_t next_ = 0;
  size_t done_ = 0;
  int running_ = 0;
  bool stopped_ = false;
  std::exception_ptr failure_;
  std::vector<std::thread> threads_;  ///< last, because they use all of the above
};

}  // namespace

bool run_in_parallel(size_t tasks, int threads, const std::function<void(size_t)>& task,
                     const std::function<bool(size_t done)>& progress) {
  Work work(tasks, task);
  if (work.start(threads) == 0) work.run();
  size_t told = 0;
  bool wanted = true;
  for (bool ended = false; !ended;) {
    const size_t done = work.wait(told, ended);
    if (done == told) continue;
    told = done;
    if (!wanted || !progress || progress(done)) continue;
    wanted = false;
    work.stop();
  }
  if (const std::exception_ptr failure = work.failure(); failure != nullptr) std::rethrow_exception(failure);
  return wanted;
}

}  // namespace gumtile::engine
