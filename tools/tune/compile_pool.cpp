#include "tools/tune/compile_pool.h"

#include <fmt/format.h>

#include <utility>

#include "gumtile/error.h"
#include "tools/tune/process.h"

namespace gumtile::tools {

CompilePool::CompilePool(Json head, std::string target, std::filesystem::path folder, int workers,
                         std::chrono::milliseconds deadline)
    : head_(std::move(head)), target_(std::move(target)), folder_(std::move(folder)), deadline_(deadline) {
  try {
    for (int worker = 0; worker < workers; ++worker) threads_.emplace_back([this, worker] { work(worker); });
  } catch (...) {  // one cannot be started
    stop();
    throw;
  }
}

CompilePool::~CompilePool() { stop(); }

void CompilePool::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    waiting_.clear();
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void CompilePool::add(const std::string& schedule, const std::string& fault) {
  const std::lock_guard lock(mutex_);
  const auto [job, added] = jobs_.try_emplace(schedule);
  if (!added) return;
  job->second.fault = fault;
  job->second.number = jobs_.size();
  waiting_.push_back(schedule);
  changed_.notify_all();
}

template <typename Condition>
bool CompilePool::wait_for(const Condition& condition, std::chrono::steady_clock::time_point end) {
  constexpr std::chrono::milliseconds kSlice{50};
  std::unique_lock lock(mutex_);
  while (!condition()) {
    if (is_interrupted()) throw Interrupted{};
    if (std::chrono::steady_clock::now() >= end) return false;
    changed_.wait_for(lock, kSlice);
  }
  return true;
}

std::optional<CompilePool::Outcome> CompilePool::wait(const std::string& schedule,
                                                      std::chrono::steady_clock::time_point end) {
  if (!wait_for([&] { return jobs_.at(schedule).done; }, end)) return std::nullopt;
  if (is_interrupted()) throw Interrupted{};  // the interrupt may be why it is done
  const std::lock_guard lock(mutex_);
  return jobs_.at(schedule).outcome;
}

void CompilePool::wait_until_idle(const std::function<void(size_t done, size_t all)>& progress) {
  constexpr std::chrono::milliseconds kSlice{200};
  while (
      !wait_for([&] { return waiting_.empty() && busy_ == 0; }, std::chrono::steady_clock::now() + kSlice)) {
    size_t done = 0, all = 0;
    {
      const std::lock_guard lock(mutex_);
      all = jobs_.size();
      done = all - waiting_.size() - static_cast<size_t>(busy_);
    }
    progress(done, all);
  }
}

CompilePool::Outcome CompilePool::compile(WorkerProcess& process, const std::string& schedule,
                                          const Job& job) const {
  const std::string file = fmt::format("kernel-{}", job.number);
  process.send(
      {{"head", head_}, {"target", target_}, {"schedule", schedule}, {"file", file}, {"fault", job.fault}});
  const Json reply = process.receive(deadline_);
  if (reply.contains("error"))
    return {{}, fmt::format("when compiled: {}", reply.at("error").get<std::string>())};
  if (reply.value("schedule", "") != schedule) throw WorkerFault("answered about something else");
  return {file, {}};
}

void CompilePool::work(int worker) {
  std::optional<WorkerProcess> process;
  while (true) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return stopping_ || !waiting_.empty(); });
    if (stopping_) return;
    const std::string schedule = waiting_.front();
    waiting_.pop_front();
    Job& job = jobs_.at(schedule);
    ++busy_;
    lock.unlock();

    Outcome outcome;
    try {
      if (!process) process.emplace("compile", folder_, fmt::format("compile-{}.log", worker));
      outcome = compile(*process, schedule, job);
    } catch (const Interrupted&) {
      outcome.rejected = "interrupted";
    } catch (const std::exception& fault) {
      outcome.rejected = fmt::format("when compiled: {}", fault.what());
      process.reset();
    }
    lock.lock();
    job.outcome = outcome;
    job.done = true;
    --busy_;
    changed_.notify_all();
    if (is_interrupted()) return;
  }
}

}  // namespace gumtile::tools
