#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

#include "runtime/cpu/fork.h"

namespace gumtile::cpu {

/// Threads that share the tasks of one call after another. The calling thread takes part as worker 0; the
/// others sleep between calls, after spinning for some microseconds. `run` and `run_on_each_worker` allocate
/// nothing, may be called from several threads (one call runs at a time, the others wait), and return when
/// all tasks are done; everything that the tasks wrote is then visible to the caller. They must not be called
/// in a forked child (which may destroy the pool) or from a task of the same pool (deadlock), and tasks must
/// not throw (std::terminate).
class ThreadPool {
 public:
  /// Runs a task: `context` as given to `run`, the task's number, and the number of the worker that runs it,
  /// both from 0.
  using Task = void (*)(void* context, int task, int worker);

  /// The number of threads that affinity and a quota of CPU time allow (`usable_threads`), at least 1.
  static int default_threads();

  /// A pool of `threads` workers, including the caller of `run`; 0 or less means `default_threads()`. Throws
  /// `Error` (device_unavailable) if the system refuses to start that many threads.
  explicit ThreadPool(int threads = 0);

  /// No call may be in progress.
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  /// The number of workers, including the caller of `run`.
  int threads() const { return threads_; }

  /// Runs tasks 0 to `tasks` - 1, each once, on whichever workers are free.
  void run(int tasks, Task task, void* context);

  /// Runs one task on every worker, with the worker's number: for memory that should be touched first by the
  /// thread that will use it.
  void run_on_each_worker(Task task, void* context);

  /// As above for any callable `body(int task, int worker)`.
  template <typename Body>
  void run(int tasks, Body&& body) {
    run(tasks, &invoke<std::remove_reference_t<Body>>, as_context(body));
  }
  template <typename Body>
  void run_on_each_worker(Body&& body) {
    run_on_each_worker(&invoke<std::remove_reference_t<Body>>, as_context(body));
  }

 private:
  /// The workers' job until the next call. Written by the caller of `run` while no worker can read it.
  struct Job {
    Task task = nullptr;
    void* context = nullptr;
    int tasks = 0;
    bool each_worker = false;
    uint64_t number = 0;
  };

  template <typename Body>
  static void invoke(void* context, int task, int worker) {
    (*static_cast<Body*>(context))(task, worker);
  }
  template <typename Body>
  static void* as_context(Body& body) {
    return const_cast<void*>(static_cast<const void*>(&body));
  }

  void start_threads();
  void stop_threads();
  void worker_main(int worker);
  void run_job(const Job& job);
  void take_tasks(int worker) noexcept;
  bool enter();
  void leave();

  ForkMark fork_mark_;
  int threads_;
  std::vector<std::thread> workers_;
  std::mutex one_call_at_a_time_;
  uint64_t calls_ = 0;
  Job job_;

  // Each on a cache line of its own: all workers write to them.
  alignas(64) std::atomic<uint32_t> announced_{
      0};                                        ///< low half of the latest job's number; workers sleep on it
  alignas(64) std::atomic<uint32_t> inside_{0};  ///< workers within the job, and kOpen while more may enter
  alignas(64) std::atomic<int64_t> next_task_{0};  ///< the next task that nobody has taken
  alignas(64) std::atomic<int> absent_{0};  ///< workers that have not done their part yet (each_worker)
  std::atomic<bool> stopping_{false};
};

}  // namespace gumtile::cpu
