#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <deque>
#include <fstream>
#include <iostream>
#include <iterator>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

#include "gumtile/error.h"
#include "runtime/cache/entry.h"
#include "runtime/cpu/cpu_info.h"
#include "runtime/cuda/device.h"
#include "runtime/head/bindings.h"
#include "tools/bench_ceiling.h"
#include "tools/bench_inputs.h"
#include "tools/head_settings.h"
#include "tools/open_engine.h"
#include "tools/tune/problem.h"
#include "tools/tune/worker.h"

namespace gumtile::tools {
namespace {

/// Gives the artifact of a schedule from the file that a compile worker wrote.
class FileSource final : public KernelSource {
 public:
  explicit FileSource(std::filesystem::path folder) : folder_(std::move(folder)) {}

  void set_file(const std::string& schedule, const std::string& file) {
    const std::lock_guard lock(mutex_);
    files_[schedule] = file;
  }

  KernelArtifact get(const KernelPlan& plan) override {
    std::filesystem::path file;
    {
      const std::lock_guard lock(mutex_);
      file = folder_ / files_.at(plan.schedule.str());
    }
    std::ifstream in(file, std::ios::binary);
    const std::string bytes((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    std::optional<cache::Entry> entry = cache::decode_entry(bytes);
    if (!entry || entry->key_text != key_text(plan))
      throw Error(ErrorCode::bad_data, "the compiled kernel's file is damaged");
    return std::move(entry->artifact);
  }

 private:
  const std::filesystem::path folder_;
  std::mutex mutex_;
  std::map<std::string, std::string> files_;
};

/// One kernel on one batch: its arguments for each copy of the weights, and a separate workspace, which a
/// wrong kernel may leave in any state.
class Run {
 public:
  Run(const std::shared_ptr<Engine>& engine, const Kernel& kernel, const MeasuredHead& head,
      const SampleArgs& args, const std::vector<DeviceArray>& weights)
      : kernel_(kernel), rows_(args.rows), workspace_(engine, kernel.workspace_bytes(args.rows)) {
    const head::CallBindings bindings(program_of(head));
    for (const DeviceArray& copy : weights)
      bindings.bind(args, head.hidden_size, {copy.data(), head.hidden_size, head.settings}, {},
                    arrays_.emplace_back());
    require(kernel.workspace_init(nullptr, workspace_.data(), workspace_bytes()));
    engine->synchronize();
  }

  Status launch(StreamHandle stream, size_t copy) const {
    return kernel_.launch(stream, rows_, arrays_[copy].inputs(), arrays_[copy].outputs(), workspace_.data(),
                          workspace_bytes());
  }

  static void require(Status status) {
    if (status != Status::ok)
      throw Error(ErrorCode::internal, fmt::format("a launch returned '{}'", name(status)));
  }

 private:
  size_t workspace_bytes() const { return kernel_.workspace_bytes(rows_); }

  const Kernel& kernel_;
  int64_t rows_;
  DeviceArray workspace_;
  std::vector<head::CallBindings::Arrays> arrays_;
};

std::string driver_version(const DeviceDescription& device) {
  for (const cuda::DeviceInfo& info : cuda::list_devices())
    if (fmt::format("cuda:{}", info.ordinal) == device.id)
      return fmt::format("{}.{}", info.driver_version / 1000, info.driver_version % 1000 / 10);
  return "";
}

class MeasureWorker {
 public:
  explicit MeasureWorker(const std::filesystem::path& folder)
      : source_(std::make_shared<FileSource>(folder)) {}

  void handle(const Json& request) {
    const auto what = request.at("do").get<std::string>();
    if (what == "open") open(request);
    if (what == "load") load(request);
    if (what == "check") check(request);
    if (what == "time") time(request);
    if (what == "read_floor") read_floor();
  }

 private:
  void open(const Json& request) {
    head_ = parse_head(request.at("head"));
    EngineOptions options;  // without a cache or records: kernels come from files, schedules from the tuner
    options.source = source_;
    engine_ = Engine::open(request.at("device").get<std::string>(), options);
    answer({{"device", device_json(engine_->device())}, {"driver", driver_version(engine_->device())}});
    weights_ = make_weight_copies(engine_, head_);
    setting_arrays_ = synthetic_arrays(engine_, head_.vocab_size, head_.settings);
    answer({{"copies", weights_.size()}});
  }

  /// In parallel: on a GPU the driver assembles a kernel in a few tenths of a second on one core.
  void load(const Json& request) {
    const Json& kernels = request.at("kernels");
    const size_t count = std::min<size_t>(kernels.size(), static_cast<size_t>(cpu::usable_threads()));
    std::mutex mutex;
    size_t next = 0;
    const auto load_some = [&] {
      while (true) {
        std::unique_lock lock(mutex);
        if (next == kernels.size()) return;
        const Json& kernel = kernels[next++];
        lock.unlock();
        Json reply = load_one(kernel, mutex);
        lock.lock();
        answer(reply);
      }
    };
    {
      std::vector<std::jthread> threads;
      for (size_t i = 0; i < count; ++i) threads.emplace_back(load_some);
    }
    answer({{"done", true}});
  }

  Json load_one(const Json& request, std::mutex& mutex) {
    const auto schedule = request.at("schedule").get<std::string>();
    try {
      obey_fault(request);
      source_->set_file(schedule, request.at("file").get<std::string>());
      Kernel kernel = engine_->load(make_plan(program_of(head_), problem_of(head_, 1),
                                              Schedule::parse(schedule), engine_->device().target));
      const std::lock_guard lock(mutex);
      kernels_.insert_or_assign(schedule, std::move(kernel));
      return {{"loaded", schedule}};
    } catch (const std::exception& error) {
      return {{"failed", schedule}, {"why", error.what()}};
    }
  }

  const Run& run_of(const std::string& schedule, int64_t rows) {
    if (!batch_ || batch_->args().rows != rows) {
      runs_.clear();
      batch_.emplace(engine_, head_, rows);
    }
    return runs_.try_emplace(schedule, engine_, kernels_.at(schedule), head_, batch_->args(), weights_)
        .first->second;
  }

  void check(const Json& request) {
    const Run& run = run_of(request.at("schedule").get<std::string>(), request.at("rows").get<int64_t>());
    obey_fault(request);
    Run::require(run.launch(nullptr, 0));
    engine_->synchronize();
    const auto start = std::chrono::steady_clock::now();
    Run::require(run.launch(nullptr, 0));
    engine_->synchronize();
    const double launch_us = 1e3 * milliseconds_since(start);
    Json outputs = Json::object();
    for (const CallOutputs::Output& output : batch_->outputs().all()) {
      std::vector<double> values = batch_->outputs().read(output);
      if (has_fault(request, "wrong") && output.field->name == "token") values.front() += 1;
      Json& list = outputs[std::string(output.field->name)] = Json::array();
      for (const double value : values) list.push_back(std::isfinite(value) ? Json(value) : Json(nullptr));
    }
    answer({{"outputs", outputs}, {"launch_us", launch_us}});
  }

  /// A few replays of each in turn, so that heat and the power limit affect all alike; each round begins with
  /// another one, so that none always follows the same one. No round begins after `seconds`; the first one
  /// ends early instead.
  void time(const Json& request) {
    const auto schedules = request.at("schedules").get<std::vector<std::string>>();
    const auto rounds = request.at("rounds").get<size_t>();
    const auto milliseconds = 1e3 * request.at("seconds").get<double>();
    const auto start = std::chrono::steady_clock::now();
    const auto is_over = [&] { return milliseconds_since(start) >= milliseconds; };
    for (size_t round = 0; round < rounds && (round == 0 || !is_over()); ++round) {
      for (size_t i = 0; i < schedules.size() && (round > 0 || i == 0 || !is_over()); ++i)
        time_one(request, schedules[(i + round) % schedules.size()]);
    }
    answer({{"done", true}});
  }

  void time_one(const Json& request, const std::string& schedule) {
    answer({{"begin", schedule}});
    if (request.value("faulty", "") == schedule) obey_fault(request);
    const Run& run = run_of(schedule, request.at("rows").get<int64_t>());
    const auto launch_all = [&](StreamHandle stream) {
      for (size_t copy = 0; copy < weights_.size(); ++copy)
        if (const Status status = run.launch(stream, copy); status != Status::ok) return status;
      return Status::ok;
    };
    const Engine::Timing timing = engine_->time(launch_all, request.at("repeats").get<int>(), 1);
    const auto launches = static_cast<double>(weights_.size());
    const double pretended = request.value("faulty", "") == schedule ? pretended_speed(request) : 1;
    answer({{"time", schedule},
            {"median_us", pretended * timing.median_us / launches},
            {"p5_us", pretended * timing.p5_us / launches},
            {"p95_us", pretended * timing.p95_us / launches}});
  }

  /// The factor for a faulty candidate's times.
  double pretended_speed(const Json& request) {
    if (has_fault(request, "fast")) return 0.5;
    constexpr std::array kNoise = {0.4, 0.8, 1.2};
    return has_fault(request, "noisy") ? kNoise[pretended_++ % kNoise.size()] : 1;
  }

  void read_floor() {
    const size_t bytes =
        static_cast<size_t>(head_.vocab_size * head_.hidden_size) * size_bytes(head_.weights_dtype);
    const ReadCeiling ceiling = measure_read_ceiling(engine_, bytes);
    answer({{"bytes_per_second", ceiling.bytes_per_second}, {"method", ceiling.method}});
  }

  std::shared_ptr<FileSource> source_;
  std::shared_ptr<Engine> engine_;
  MeasuredHead head_;
  std::vector<DeviceArray> weights_;
  std::deque<DeviceArray> setting_arrays_;
  std::map<std::string, Kernel> kernels_;
  std::optional<BatchArrays> batch_;
  std::map<std::string, Run> runs_;
  size_t pretended_ = 0;
};

}  // namespace

int run_measure_worker(const std::filesystem::path& folder) {
  MeasureWorker worker(folder);
  for (std::string line; std::getline(std::cin, line);) {
    try {
      worker.handle(Json::parse(line));
    } catch (const Error& error) {
      answer({{"error", error.what()}, {"code", static_cast<int>(error.code())}});
    }
  }
  return 0;
}

}  // namespace gumtile::tools
