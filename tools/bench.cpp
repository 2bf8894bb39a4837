#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <deque>
#include <iostream>
#include <map>

#include "gumtile/lm_head.h"
#include "tools/bench_ceiling.h"
#include "tools/bench_inputs.h"
#include "tools/command.h"
#include "tools/open_engine.h"
#include "tools/options.h"
#include "tools/output.h"

namespace gumtile::tools {
namespace {

struct Options {
  int64_t vocab_size = 151936;
  int64_t hidden_size = 4096;
  std::string batches = "1,4,16,64";
  std::string device = "auto";
  std::string dtype = "bf16";
  std::string hidden_dtype;
  std::string noise = "grouped";
  std::string schedule;
  std::string pack;
  std::string format = "table";
  int repeats = 30;
  int launches = 1;
  bool programmatic = false;
  bool on_request = false;
  bool no_logprob = false;
};

struct Measurement {
  int64_t rows = 0;
  std::string schedule;
  Engine::Timing timing;
  double gigabytes_per_second = 0;  ///< bytes of the weights over the median
  double teraflops_per_second = 0;
  double of_read = 0;    ///< share of the read ceiling
  double launch_us = 0;  ///< host time of a launch; 0 on the CPU, where it includes the work
};

struct Report {
  Options options;
  DeviceDescription device;
  ReadCeiling read;
  std::vector<Measurement> measurements;
};

/// The command that measures one batch size again, as it was measured.
std::string command_line(const Report& report, const std::string& batches) {
  const Options& o = report.options;
  std::string text = fmt::format(
      "gumtile bench --vocab-size {} --hidden-size {} --batches {} --device {} --dtype {} --hidden-dtype {} "
      "--noise {} "
      "--repeats {}",
      o.vocab_size, o.hidden_size, batches, report.device.id, o.dtype, o.hidden_dtype, o.noise, o.repeats);
  if (!o.schedule.empty()) text += " --schedule " + o.schedule;
  if (!o.pack.empty()) text += " --pack " + o.pack;
  if (o.no_logprob) text += " --no-logprob";
  if (o.launches != 1) text += fmt::format(" --launches {}", o.launches);
  if (o.programmatic) text += " --programmatic";
  return text;
}

/// A head for each copy of the weights, used in turn.
std::deque<LmHead> make_heads(const std::shared_ptr<Engine>& engine, const LmHeadOptions& options,
                              int64_t max_rows, Features features, const std::vector<DeviceArray>& weights) {
  std::deque<LmHead> heads;
  for (const DeviceArray& copy : weights)
    heads.emplace_back(engine, options, copy.data()).prepare(max_rows, {features});
  return heads;
}

/// Heads, and what a batch reads and writes; measures it as often as asked.
class Bench {
 public:
  Bench(std::shared_ptr<Engine> engine, const std::deque<LmHead>& heads, int64_t rows, const Options& options)
      : engine_(std::move(engine)),
        heads_(heads),
        options_(options),
        arrays_(engine_, {heads.front().options(), !options.no_logprob}, rows),
        workspace_(engine_, heads.front().workspace_bytes(rows)),
        args_(arrays_.args()) {
    args_.workspace = workspace_.data();
    args_.workspace_bytes = heads.front().workspace_bytes(rows);
    if (options.programmatic) args_.flags = GUMTILE_SAMPLE_PROGRAMMATIC | GUMTILE_SAMPLE_WEIGHTS_STABLE;
    const Status ready = heads.front().workspace_init(nullptr, args_.workspace, args_.workspace_bytes);
    if (ready != Status::ok)
      throw Error(ErrorCode::internal, fmt::format("readying the workspace failed: {}", name(ready)));
    engine_->synchronize();
  }

  Measurement measure() {
    const auto launch_all = [&](StreamHandle stream) {
      for (int i = 0; i < options_.launches; ++i)
        for (const LmHead& head : heads_)
          if (const Status launched = head.sample(stream, args_); launched != Status::ok) return launched;
      return Status::ok;
    };
    Engine::Timing timing = engine_->time(launch_all, options_.repeats);
    const double launches = options_.launches * static_cast<double>(heads_.size());
    timing = {timing.median_us / launches, timing.p5_us / launches, timing.p95_us / launches};

    const LmHeadOptions& head = heads_.front().options();
    const double seconds = timing.median_us * 1e-6;
    const double elements = static_cast<double>(head.vocab_size) * static_cast<double>(head.hidden_size);
    Measurement m;
    m.rows = args_.rows;
    m.schedule = heads_.front()
                     .kernel_for(args_.rows, options_.no_logprob ? kNoFeatures : Features{feature_logprob})
                     ->artifact()
                     .schedule;
    m.timing = timing;
    m.launch_us = launch_host_us();
    m.gigabytes_per_second = elements * static_cast<double>(size_bytes(head.weights_dtype)) / seconds * 1e-9;
    m.teraflops_per_second = 2 * elements * static_cast<double>(args_.rows) / seconds * 1e-12;
    return m;
  }

 private:
  /// Host time of a launch, measured once.
  double launch_host_us() {
    if (launch_us_ != 0 || !engine_->device().target.is_cuda()) return launch_us_;
    constexpr int kLaunches = 100;  // fewer than the driver queues before it waits
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < kLaunches; ++i) heads_.front().sample(nullptr, args_);
    launch_us_ = std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count() /
                 kLaunches;
    engine_->synchronize();
    return launch_us_;
  }

  std::shared_ptr<Engine> engine_;
  const std::deque<LmHead>& heads_;
  const Options& options_;
  BatchArrays arrays_;
  DeviceArray workspace_;
  SampleArgs args_;
  double launch_us_ = 0;
};

Json measurement_json(const Report& report, const Measurement& m) {
  return {{"batch", m.rows},
          {"schedule", m.schedule},
          {"median_us", rounded(m.timing.median_us, 3)},
          {"p5_us", rounded(m.timing.p5_us, 3)},
          {"p95_us", rounded(m.timing.p95_us, 3)},
          {"gigabytes_per_second", rounded(m.gigabytes_per_second, 3)},
          {"teraflops_per_second", rounded(m.teraflops_per_second, 6)},
          {"of_read_ceiling", rounded(m.of_read, 4)},
          {"launch_host_us", rounded(m.launch_us, 3)},
          {"command", command_line(report, std::to_string(m.rows))}};
}

Json head_json(const Report& report) {
  const Options& o = report.options;
  return {
      {"device", report.device.id},
      {"device_name", report.device.name},
      {"target", report.device.target.str()},
      {"vocab_size", o.vocab_size},
      {"hidden_size", o.hidden_size},
      {"weights_dtype", o.dtype},
      {"hidden_dtype", o.hidden_dtype},
      {"noise", o.noise},
      {"logprob", !o.no_logprob},
      {"repeats", o.repeats},
      {"ceiling",
       {{"method", report.read.method},
        {"gigabytes_per_second", rounded(report.read.bytes_per_second * 1e-9, 3)},
        {"peak_gigabytes_per_second", report.read.peak_bytes_per_second == 0
                                          ? Json(nullptr)
                                          : Json(rounded(report.read.peak_bytes_per_second * 1e-9, 1))}}}};
}

std::string line_json(const Report& report, const Measurement& m) {
  Json json = head_json(report);
  json.update(measurement_json(report, m));
  return json.dump() + "\n";
}

std::string render(const Report& report) {
  const std::string& format = report.options.format;
  if (format == "json") {
    Json json = head_json(report);
    json["command"] = command_line(report, report.options.batches);
    json["results"] = Json::array();
    for (const Measurement& m : report.measurements) json["results"].push_back(measurement_json(report, m));
    return json.dump(2) + "\n";
  }
  if (format == "jsonl") {
    std::string text;
    for (const Measurement& m : report.measurements) text += line_json(report, m);
    return text;
  }
  Table table{{"batch", "median us", "p5 us", "p95 us", "GB/s", "of read", "TFLOP/s", "schedule"}, {}};
  for (const Measurement& m : report.measurements)
    table.rows.push_back({std::to_string(m.rows), fmt::format("{:.1f}", m.timing.median_us),
                          fmt::format("{:.1f}", m.timing.p5_us), fmt::format("{:.1f}", m.timing.p95_us),
                          fmt::format("{:.1f}", m.gigabytes_per_second), fmt::format("{:.3f}", m.of_read),
                          fmt::format("{:.3f}", m.teraflops_per_second), m.schedule});
  if (format == "csv") return to_csv(table);
  const double peak = report.read.peak_bytes_per_second;
  const std::string summary = fmt::format(
      "{} ({}), {} x {}, weights {}, hidden states {}, {}; ceiling: {} at {:.1f} GB/s{}\n",
      report.device.name, report.device.id, report.options.vocab_size, report.options.hidden_size,
      report.options.dtype, report.options.hidden_dtype, report.options.noise, report.read.method,
      report.read.bytes_per_second * 1e-9, peak == 0 ? "" : fmt::format(" ({:.0f} on paper)", peak * 1e-9));
  return format == "md" ? to_markdown(table) + "\n" + summary : to_text(table) + summary;
}

int run(Options options) {
  if (options.hidden_dtype.empty()) options.hidden_dtype = options.dtype;
  LmHeadOptions head_options;
  head_options.vocab_size = options.vocab_size;
  head_options.hidden_size = options.hidden_size;
  head_options.weights_dtype = parse_matrix_dtype("--dtype", options.dtype);
  head_options.hidden_dtype = parse_matrix_dtype("--hidden-dtype", options.hidden_dtype);
  head_options.noise = parse_noise("--noise", options.noise);
  const Features features = options.no_logprob ? kNoFeatures : Features{feature_logprob};
  if (!options.schedule.empty()) head_options.schedule = Schedule::parse(options.schedule);
  const std::vector<int32_t> batches = parse_i32_list("--batches", options.batches, "batch");
  const int32_t max_rows = *std::max_element(batches.begin(), batches.end());
  require_shape("bench", {options.vocab_size, options.hidden_size, max_rows});
  if (*std::min_element(batches.begin(), batches.end()) < 1)
    throw Error(ErrorCode::usage, fmt::format("--batches: '{}' has a batch below 1", options.batches));

  Report report;
  const std::shared_ptr<Engine> engine = open_engine(options.device, options.pack);
  report.options = options;
  report.device = engine->device();
  const std::vector<DeviceArray> weights = make_weight_copies(engine, head_options);
  const std::deque<LmHead> heads = make_heads(engine, head_options, max_rows, features, weights);
  report.read = measure_read_ceiling(engine, static_cast<size_t>(options.vocab_size * options.hidden_size) *
                                                 size_bytes(head_options.weights_dtype));
  std::map<int32_t, Bench> benches;
  const auto measure = [&](int32_t rows) {
    Measurement m = benches.try_emplace(rows, engine, heads, rows, options).first->second.measure();
    m.of_read = m.gigabytes_per_second / (report.read.bytes_per_second * 1e-9);
    return m;
  };
  if (options.on_request) {
    for (int32_t rows : batches) measure(rows);
    for (std::string line; std::getline(std::cin, line);) {
      const int32_t rows = parse_i32_list("batch size", line, "batch").front();
      if (rows < 1 || rows > max_rows)
        throw Error(ErrorCode::usage, fmt::format("a batch of {} is not one of 1 to {}", rows, max_rows));
      write_stdout(line_json(report, measure(rows)));
    }
    return 0;
  }
  for (int32_t rows : batches) {
    if (isatty(STDERR_FILENO) != 0) fmt::print(stderr, "measuring batch {} ...\n", rows);
    report.measurements.push_back(measure(rows));
  }
  write_stdout(render(report));
  return 0;
}

}  // namespace

Action add_bench(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("--vocab-size", options->vocab_size, "rows of the weights")->capture_default_str();
  app.add_option("--hidden-size", options->hidden_size, "columns of the weights")->capture_default_str();
  app.add_option("--batches", options->batches, "comma list of batch sizes")->capture_default_str();
  app.add_option("--device", options->device, "auto, cpu or cuda:N")->capture_default_str();
  app.add_option("--dtype", options->dtype, "of the weights: bf16, f16 or f32")->capture_default_str();
  app.add_option("--hidden-dtype", options->hidden_dtype, "of the hidden states (default: as the weights)");
  app.add_option("--noise", options->noise, "grouped or per_token")->capture_default_str();
  app.add_option("--schedule", options->schedule, "for every batch size, instead of the built-in choice");
  app.add_option("--launches", options->launches,
                 "launches, one after the other, of which a measurement is the mean")
      ->check(CLI::Range(1, 1000));
  app.add_flag("--programmatic", options->programmatic,
               "a launch may start before the previous one has ended, and fetch weights");
  app.add_option("--repeats", options->repeats, "measurements of each batch size")
      ->check(CLI::Range(1, 100000))
      ->capture_default_str();
  app.add_option("--pack", options->pack,
                 "take kernels from this file of 'gumtile compile'; compile nothing");
  app.add_option("--format", options->format, "table, md, csv, json or jsonl")
      ->check(CLI::IsMember({"table", "md", "csv", "json", "jsonl"}))
      ->capture_default_str();
  app.add_flag("--on-request", options->on_request,
               "measure a batch size whenever a line of stdin names one, and answer with a line of JSON: to "
               "alternate with "
               "something else");
  app.add_flag("--no-logprob", options->no_logprob, "tokens only");
  return [options] { return run(*options); };
}

}  // namespace gumtile::tools
