#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <filesystem>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "tools/output.h"

namespace gumtile::tools {

/// Compiles schedules of one problem in worker processes, in the order in which they were added, each once.
/// If a worker dies or does not answer in time, only the schedule that it was compiling is rejected.
class CompilePool {
 public:
  struct Outcome {
    std::string file;      ///< the artifact (runtime/cache/entry.h), in the folder
    std::string rejected;  ///< why there is none; else empty
  };

  CompilePool(Json head, std::string target, std::filesystem::path folder, int workers,
              std::chrono::milliseconds deadline);
  ~CompilePool();
  CompilePool(const CompilePool&) = delete;
  CompilePool& operator=(const CompilePool&) = delete;

  /// `fault`: how the worker is to misbehave on this schedule; for tests. Schedules that were added already
  /// are ignored.
  void add(const std::string& schedule, const std::string& fault = {});

  /// Waits for a schedule that was added; nothing if it is not done by `end`. Throws Interrupted.
  std::optional<Outcome> wait(const std::string& schedule, std::chrono::steady_clock::time_point end);
  /// Waits until all schedules are compiled; reports from time to time how many are done. Throws Interrupted.
  void wait_until_idle(const std::function<void(size_t done, size_t all)>& progress);

 private:
  struct Job {
    std::string fault;
    bool done = false;
    Outcome outcome;
    size_t number = 0;
  };

  /// Ends the threads.
  void stop();
  void work(int worker);
  Outcome compile(class WorkerProcess& process, const std::string& schedule, const Job& job) const;
  template <typename Condition>
  bool wait_for(const Condition& condition, std::chrono::steady_clock::time_point end);

  const Json head_;
  const std::string target_;
  const std::filesystem::path folder_;
  const std::chrono::milliseconds deadline_;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::string, Job> jobs_;
  std::deque<std::string> waiting_;
  int busy_ = 0;
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace gumtile::tools
