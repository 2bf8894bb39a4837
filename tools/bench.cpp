#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <deque>
#include <functional>
#include <iostream>
#include <map>
#include <utility>

#include "gumtile/lm_head.h"
#include "tools/bench_ceiling.h"
#include "tools/bench_inputs.h"
#include "tools/bench_output.h"
#include "tools/command.h"
#include "tools/head_settings.h"
#include "tools/help.h"
#include "tools/model_head.h"
#include "tools/open_engine.h"
#include "tools/options.h"
#include "tools/units.h"

namespace gumtile::tools {
namespace {

struct Options {
  std::string model;
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  std::string shapes;
  std::string batches = "1,4,16,64";
  std::string device = "auto";
  std::string dtype;
  std::string hidden_dtype;
  SettingOptions settings;
  std::string noise = "grouped";
  std::vector<std::string> schedules;
  std::string pack;
  std::string format;
  int repeats = 30;
  int launches = 1;
  bool programmatic = false;
  bool on_request = false;
  bool no_logprob = false;
};

constexpr SyntheticShape kDefaultShape{151936, 4096, 1};
constexpr std::string_view kChosenSchedule = "auto";

Features features_of(const Options& options) {
  return options.no_logprob ? kNoFeatures : Features{feature_logprob};
}

/// What is measured.
struct Subject {
  std::vector<SyntheticShape> shapes;
  ModelHead model;  ///< with `--model`
  HeadSettings settings;
};

/// The subject that the options name; sets the type of its weights in the options.
Subject resolve(Options& options) {
  Subject subject{{kDefaultShape}, {}, {}};
  SyntheticShape& shape = subject.shapes.front();
  if (!options.model.empty()) {
    subject.model =
        resolve_head("bench", {options.model, options.vocab_size, options.hidden_size, options.dtype, {}});
    shape = {subject.model.vocab_size, subject.model.hidden_size, 1};
    options.dtype = name(subject.model.dtype);
  }
  if (options.vocab_size != 0) shape.vocab_size = options.vocab_size;
  if (options.hidden_size != 0) shape.hidden_size = options.hidden_size;
  if (!options.shapes.empty()) subject.shapes = parse_shapes("--shapes", options.shapes);
  if (options.dtype.empty()) options.dtype = "bf16";
  subject.settings = override_settings(options.settings, ArrayValue::type, subject.model.settings);
  return subject;
}

std::string shape_options(const std::vector<SyntheticShape>& shapes) {
  if (shapes.size() == 1)
    return fmt::format("--vocab-size {} --hidden-size {}", shapes[0].vocab_size, shapes[0].hidden_size);
  std::string text;
  for (const SyntheticShape& shape : shapes)
    text += fmt::format("{}{}x{}", text.empty() ? "--shapes " : ",", shape.vocab_size, shape.hidden_size);
  return text;
}

/// The command that repeats the measurement of these shapes, batches and schedules.
std::string command_line(const Options& o, const HeadSettings& settings, const DeviceDescription& device,
                         const std::vector<SyntheticShape>& shapes, const std::string& batches,
                         const std::vector<std::string>& schedules) {
  std::string text = fmt::format(
      "gumtile bench {} --batches {} --device {} --dtype {} --hidden-dtype {} --noise {} --repeats {}",
      shape_options(shapes), batches, device.id, o.dtype, o.hidden_dtype, o.noise, o.repeats);
  text += setting_options(settings);
  for (const std::string& schedule : schedules)
    if (schedules.size() > 1 || schedule != kChosenSchedule) text += " --schedule " + schedule;
  if (!o.pack.empty()) text += " --pack " + shell_quoted(o.pack);
  if (o.no_logprob) text += " --no-logprob";
  if (o.launches != 1) text += fmt::format(" --launches {}", o.launches);
  if (o.programmatic) text += " --programmatic";
  return text;
}

/// One head per copy of the weights, used in turn.
std::deque<LmHead> make_heads(const std::shared_ptr<Engine>& engine, const LmHeadOptions& options,
                              int64_t max_rows, Features features, const std::vector<DeviceArray>& weights) {
  std::deque<LmHead> heads;
  for (const DeviceArray& copy : weights)
    heads.emplace_back(engine, options, copy.data()).prepare(max_rows, {features});
  return heads;
}

/// The kernel that serves a batch, and what chose it.
KernelChoice choice_for(const LmHead& head, int64_t rows) {
  for (const KernelChoice& choice : head.choices())  // by bucket; there is one feature set
    if (choice.max_rows >= rows) return choice;
  throw Error(ErrorCode::internal, fmt::format("no kernel is prepared for a batch of {}", rows));
}

/// Heads, and the arrays of a batch; measures it any number of times.
class Bench {
 public:
  Bench(std::shared_ptr<Engine> engine, const std::deque<LmHead>& heads, int64_t rows, const Options& options)
      : engine_(std::move(engine)),
        heads_(heads),
        options_(options),
        arrays_(engine_, {heads.front().options(), features_of(options)}, rows),
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
    const KernelChoice choice = choice_for(heads_.front(), args_.rows);
    m.schedule = choice.schedule;
    m.rule = choice.rule;
    m.note = choice.note;
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
    constexpr int kLaunches = 100;  // fewer than the driver queues before a launch blocks
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

/// Everything that is measured on one shape: its weights, heads for each schedule, and the read ceiling.
class ShapeBench {
 public:
  ShapeBench(std::shared_ptr<Engine> engine, const Options& options, const HeadSettings& settings,
             const SyntheticShape& shape, const std::vector<std::string>& schedules, int64_t max_rows)
      : engine_(std::move(engine)), options_(options) {
    LmHeadOptions head;
    head.vocab_size = shape_.vocab_size = shape.vocab_size;
    head.hidden_size = shape_.hidden_size = shape.hidden_size;
    head.weights_dtype = parse_matrix_dtype("--dtype", options.dtype);
    head.hidden_dtype = parse_matrix_dtype("--hidden-dtype", options.hidden_dtype);
    head.noise = parse_noise("--noise", options.noise);
    const Features features = features_of(options);
    weights_ = make_weight_copies(engine_, head);
    head.settings = settings;
    setting_arrays_ = synthetic_arrays(engine_, head.vocab_size, head.settings);
    for (const std::string& schedule : schedules) {
      head.schedule.reset();
      if (schedule != kChosenSchedule) head.schedule = Schedule::parse(schedule);
      heads_.push_back(make_heads(engine_, head, max_rows, features, weights_));
    }
    const auto elements = static_cast<size_t>(head.vocab_size * head.hidden_size);
    shape_.read = measure_read_ceiling(engine_, elements * size_bytes(head.weights_dtype));
  }

  const BenchShape& shape() const { return shape_; }

  /// Measures a batch under the schedule of this number.
  Measurement measure(int32_t rows, size_t schedule) {
    Measurement m = bench_for(rows, schedule).measure();
    m.shape = shape_;
    m.of_read = m.gigabytes_per_second / (shape_.read.bytes_per_second * 1e-9);
    return m;
  }
  /// Frees the arrays of batches.
  void clear() { benches_.clear(); }

 private:
  Bench& bench_for(int32_t rows, size_t schedule) {
    return benches_.try_emplace({rows, schedule}, engine_, heads_[schedule], rows, options_).first->second;
  }

  std::shared_ptr<Engine> engine_;
  const Options& options_;
  BenchShape shape_;
  std::vector<DeviceArray> weights_;
  std::deque<DeviceArray> setting_arrays_;
  std::deque<std::deque<LmHead>> heads_;  ///< by schedule, then by copy of the weights
  std::map<std::pair<int32_t, size_t>, Bench> benches_;
};

std::vector<int32_t> parse_batches(const Options& options) {
  const std::vector<int32_t> batches = parse_i32_list("--batches", options.batches, "batch");
  if (*std::min_element(batches.begin(), batches.end()) < 1)
    throw Error(ErrorCode::usage, fmt::format("--batches: '{}' has a batch below 1", options.batches));
  return batches;
}

/// Measures a batch whenever a line of stdin names one.
int serve(ShapeBench& bench, const BenchSetting& setting, const std::vector<int32_t>& batches,
          const std::function<std::string(int32_t rows)>& command) {
  const int32_t max_rows = *std::max_element(batches.begin(), batches.end());
  for (int32_t rows : batches) bench.measure(rows, 0);
  for (std::string line; std::getline(std::cin, line);) {
    const int32_t rows = parse_i32_list("batch size", line, "batch").front();
    if (rows < 1 || rows > max_rows)
      throw Error(ErrorCode::usage, fmt::format("a batch of {} is not one of 1 to {}", rows, max_rows));
    Measurement m = bench.measure(rows, 0);
    m.command = command(rows);
    write_stdout(measurement_line(setting, m));
  }
  return 0;
}

void warn_of_noise(size_t noisy, size_t measured) {
  if (noisy == 0) return;
  print_stderr(
      "gumtile: noisy: {} by more than ±10 %; end what else runs on the device, or measure more often "
      "with --repeats\n",
      fmt::format("{} of {} {}", noisy, count_text(measured, "measurement"), noisy == 1 ? "varies" : "vary"));
}

int run(Options options) {
  const Subject subject = resolve(options);
  const std::vector<SyntheticShape>& shapes = subject.shapes;
  if (options.hidden_dtype.empty()) options.hidden_dtype = options.dtype;
  const std::vector<int32_t> batches = parse_batches(options);
  const int32_t max_rows = *std::max_element(batches.begin(), batches.end());
  for (const SyntheticShape& shape : shapes)
    require_shape("bench", {shape.vocab_size, shape.hidden_size, max_rows});
  std::vector<std::string> schedules = options.schedules;
  if (schedules.empty()) schedules.emplace_back(kChosenSchedule);
  for (const std::string& schedule : schedules)  // before any long work
    if (schedule != kChosenSchedule) Schedule::parse(schedule);
  if (options.on_request && (shapes.size() > 1 || schedules.size() > 1))
    throw Error(ErrorCode::usage,
                fmt::format("--on-request takes one shape and one schedule; found {} and {}",
                            count_text(shapes.size(), "shape"), count_text(schedules.size(), "schedule")));

  const std::shared_ptr<Engine> engine = open_engine(options.device, options.pack);
  const DeviceDescription& device = engine->device();
  const BenchSetting setting{
      device,
      options.dtype,
      options.hidden_dtype,
      options.noise,
      subject.settings,
      !options.no_logprob,
      options.repeats,
      origin_text(subject.model),
      options.model.empty() ? Json(nullptr) : origin_json(subject.model),
      command_line(options, subject.settings, device, shapes, options.batches, schedules)};
  BenchWriter writer(setting, options.format);
  StatusLine status;
  size_t noisy = 0;
  size_t measured = 0;
  for (const SyntheticShape& shape : shapes) {
    status.show(fmt::format("preparing {} x {} ...", shape.vocab_size, shape.hidden_size));
    ShapeBench bench(engine, options, subject.settings, shape, schedules, max_rows);
    status.clear();
    const auto command = [&](int32_t rows, const std::string& schedule) {
      return command_line(options, subject.settings, device, {shape}, std::to_string(rows), {schedule});
    };
    if (options.on_request)
      return serve(bench, setting, batches, [&](int32_t rows) { return command(rows, schedules.front()); });
    writer.begin(bench.shape());
    for (int32_t rows : batches) {
      for (size_t i = 0; i < schedules.size(); ++i) {
        status.show(fmt::format("measuring batch {} ...", rows));
        Measurement m = bench.measure(rows, i);
        m.command = command(rows, schedules[i]);
        status.clear();
        writer.add(m);
        ++measured;
        if (is_noisy(m)) ++noisy;
      }
      bench.clear();
    }
  }
  writer.end();
  warn_of_noise(noisy, measured);
  return 0;
}

}  // namespace

Action add_bench(CLI::App& app) {
  auto options = std::make_shared<Options>();
  CLI::Option* model = add_text(
      app, "--model", options->model, "DIR",
      "a model's folder, or FILE[:TENSOR]: sizes and type of its head, else those in its config.json");
  CLI::Option* vocab_size = add_integer(
      app, "--vocab-size", options->vocab_size,
      fmt::format("rows of the weights, if not the model's (default: {})", kDefaultShape.vocab_size));
  CLI::Option* hidden_size = add_integer(
      app, "--hidden-size", options->hidden_size,
      fmt::format("columns of the weights, if not the model's (default: {})", kDefaultShape.hidden_size));
  add_text(app, "--shapes", options->shapes, "VxK,...",
           "several sizes of the weights, one after the other, e.g. 151936x4096,128256x8192")
      ->excludes(model)
      ->excludes(vocab_size)
      ->excludes(hidden_size);
  add_text(app, "--batches", options->batches, "N,...", "batch sizes");
  add_device(app, options->device);
  add_matrix_dtype(app, "--dtype", options->dtype, "type of the weights (default: the model's, else bf16)");
  add_matrix_dtype(app, "--hidden-dtype", options->hidden_dtype,
                   "type of the hidden states (default: as the weights)");
  add_settings(app, options->settings, ArrayValue::type);
  add_noise(app, options->noise);
  app.add_option("--schedule", options->schedules,
                 "a schedule for every batch size, or auto for what heads take by themselves; may be given "
                 "several times, to compare")
      ->type_name("SCHEDULE")
      ->allow_extra_args(false);
  add_integer(app, "--repeats", options->repeats, "measurements of each batch size", 1, 100000);
  add_integer(app, "--launches", options->launches,
              "launches, one after the other, of which a measurement is the mean", 1, 1000);
  app.add_flag("--programmatic", options->programmatic,
               "a launch may start before the previous one has ended, and fetch weights");
  add_pack(app, options->pack);
  add_format(app, options->format, {"table", "md", "csv", "json", "jsonl"});
  app.add_flag("--on-request", options->on_request,
               "measure a batch size whenever a line of stdin names one, and answer with a line of JSON: to "
               "alternate with something else");
  app.add_flag("--no-logprob", options->no_logprob, "tokens only");
  app.footer(examples({"gumtile bench --model path/to/model --batches 1,16,64",
                       "gumtile bench --shapes 151936x4096,128256x8192 --format csv",
                       "gumtile bench --vocab-size 32000 --hidden-size 1024 --device cpu --schedule auto "
                       "--schedule host:b4,v256"}));
  return [options] { return run(*options); };
}

}  // namespace gumtile::tools
