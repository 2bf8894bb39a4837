#include "tools/tune/measurer.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "gumtile/error.h"

namespace gumtile::tools {

Measurer::Measurer(std::string device, const MeasuredHead& head, std::filesystem::path folder,
                   const Deadlines& deadlines)
    : id_(std::move(device)), head_(head_json(head)), folder_(std::move(folder)), deadlines_(deadlines) {
  start();
}

/// A reply; an error that the worker reports is the candidate's fault. After a fault of the device nothing
/// works in the process any more; after other faults something may not work.
Json Measurer::receive(std::chrono::milliseconds deadline) {
  Json reply = process_->receive(deadline);
  if (reply.contains("error")) throw WorkerFault(reply.at("error").get<std::string>());
  return reply;
}

void Measurer::start() {
  loaded_.clear();
  is_open_ = false;
  process_.emplace("measure", folder_, fmt::format("measure-{}.log", starts_++));
  try {
    process_->send({{"do", "open"}, {"device", id_}, {"head", head_}});
    const Json reply = process_->receive(deadlines_.open);
    if (reply.contains("error"))
      throw Error(static_cast<ErrorCode>(reply.value("code", 70)), reply.at("error").get<std::string>());
    device_ = parse_device(reply.at("device"));
    driver_ = reply.at("driver").get<std::string>();
  } catch (const WorkerFault& fault) {
    process_.reset();
    throw Error(ErrorCode::device_unavailable,
                fmt::format("the measuring process of device '{}' {}", id_, fault.what()));
  }
}

void Measurer::ensure_open() {
  if (!process_) start();
  if (is_open_) return;
  try {
    copies_ = receive(deadlines_.open).value("copies", 1);
  } catch (const WorkerFault& fault) {
    process_.reset();
    throw Error(ErrorCode::device_unavailable, fmt::format("the weights cannot be made: {}", fault.what()));
  }
  is_open_ = true;
}

std::map<std::string, std::string> Measurer::load_some(const std::vector<std::string>& schedules) {
  Json kernels = Json::array();
  for (const std::string& schedule : schedules)
    kernels.push_back({{"schedule", schedule}, {"file", files_.at(schedule)}});
  process_->send({{"do", "load"}, {"kernels", kernels}});
  std::map<std::string, std::string> failed;
  for (Json reply = receive(deadlines_.load); !reply.contains("done"); reply = receive(deadlines_.load)) {
    if (reply.contains("loaded"))
      loaded_.insert(reply.at("loaded").get<std::string>());
    else
      failed[reply.at("failed").get<std::string>()] =
          fmt::format("when loaded: {}", reply.at("why").get<std::string>());
  }
  return failed;
}

std::map<std::string, std::string> Measurer::load(const std::map<std::string, std::string>& files) {
  std::map<std::string, std::string> failed;
  std::vector<std::string> missing;
  const auto find_missing = [&] {
    missing.clear();
    for (const auto& [schedule, file] : files)
      if (!loaded_.contains(schedule) && !failed.contains(schedule)) missing.push_back(schedule);
  };
  for (const auto& [schedule, file] : files) files_[schedule] = file;
  ensure_open();
  find_missing();
  if (missing.empty()) return failed;
  try {
    return load_some(missing);
  } catch (const WorkerFault&) {  // one of them is at fault: found by loading each alone
    process_.reset();
  }
  ensure_open();
  find_missing();
  for (const std::string& schedule : missing) {
    try {
      ensure_open();
      failed.merge(load_some({schedule}));
    } catch (const WorkerFault& fault) {
      process_.reset();
      failed[schedule] = fmt::format("when loaded: {}", fault.what());
    }
  }
  return failed;
}

void Measurer::ensure_loaded(const std::vector<std::string>& schedules) {
  ensure_open();
  std::map<std::string, std::string> missing;
  for (const std::string& schedule : schedules)
    if (!loaded_.contains(schedule)) missing[schedule] = files_.at(schedule);
  if (missing.empty()) return;
  for (const auto& [schedule, why] : load(missing)) throw WorkerFault(why);
}

/// A candidate that takes up to ten times as long as the heuristic is slow; one that takes longer hangs.
std::chrono::milliseconds Measurer::patience(double launch_us, double launches) const {
  constexpr double kSlowest = 10;
  return deadlines_.launch +
         std::chrono::milliseconds(static_cast<int64_t>(1e-3 * kSlowest * launch_us * launches));
}

CheckedAnswer Measurer::check(const std::string& schedule, int64_t rows, double launch_us,
                              const std::string& fault) {
  ensure_loaded({schedule});
  try {
    process_->send({{"do", "check"}, {"schedule", schedule}, {"rows", rows}, {"fault", fault}});
    const Json reply = receive(launch_us == 0 ? deadlines_.open : patience(launch_us, 2));
    CheckedAnswer answer;
    for (const auto& [name, values] : reply.at("outputs").items())
      for (const Json& value : values)
        answer.outputs[name].push_back(value.is_null() ? std::numeric_limits<double>::quiet_NaN()
                                                       : value.get<double>());
    reply.at("launch_us").get_to(answer.launch_us);
    return answer;
  } catch (const WorkerFault& failure) {
    process_.reset();
    throw WorkerFault(fmt::format("when checked: {}", failure.what()));
  } catch (const Json::exception&) {
    process_.reset();
    throw WorkerFault("when checked: answered nonsense");
  }
}

std::map<std::string, std::string> Measurer::time(std::vector<std::string> schedules, int64_t rows,
                                                  const Timing& timing, const Sample& sample) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point start = Clock::now();
  std::map<std::string, std::string> failed;
  std::map<std::string, int> rounds_done;
  int rounds = timing.rounds;
  while (!schedules.empty() && rounds > 0) {
    std::string running;
    try {
      ensure_loaded(schedules);
      const double seconds = timing.seconds - std::chrono::duration<double>(Clock::now() - start).count();
      process_->send({{"do", "time"},
                      {"schedules", schedules},
                      {"rows", rows},
                      {"repeats", timing.repeats},
                      {"rounds", rounds},
                      {"seconds", std::max(seconds, 0.0)},
                      {"faulty", timing.faulty},
                      {"fault", timing.fault}});
      while (true) {
        const Json reply = receive(patience(timing.launch_us, copies_ * (timing.repeats + 2)));
        if (reply.contains("done")) return failed;
        if (reply.contains("begin")) {
          running = reply.at("begin").get<std::string>();
          continue;
        }
        ++rounds_done[running];
        sample(reply.at("time").get<std::string>(),
               {reply.at("median_us").get<double>(), reply.at("p5_us").get<double>(),
                reply.at("p95_us").get<double>()});
      }
    } catch (const WorkerFault& fault) {
      process_.reset();
      if (running.empty())
        throw Error(ErrorCode::internal, fmt::format("measuring failed: {}", fault.what()));
      failed[running] = fmt::format("when timed: {}", fault.what());
      std::erase(schedules, running);
      int least = timing.rounds;
      for (const std::string& schedule : schedules) least = std::min(least, rounds_done[schedule]);
      rounds = timing.rounds - least;
    } catch (const Json::exception&) {
      process_.reset();
      throw Error(ErrorCode::internal, "the measuring process answered nonsense");
    }
  }
  return failed;
}

Measurer::ReadFloor Measurer::read_floor() {
  ensure_open();
  process_->send({{"do", "read_floor"}});
  const Json reply = receive(deadlines_.open);
  return {reply.at("bytes_per_second").get<double>(), reply.at("method").get<std::string>()};
}

}  // namespace gumtile::tools
