#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <thread>
#include <utility>

#include "gumtile/error.h"
#include "runtime/cpu/cpu_info.h"
#include "runtime/io/output_file.h"
#include "tools/command.h"
#include "tools/head_settings.h"
#include "tools/help.h"
#include "tools/model_head.h"
#include "tools/options.h"
#include "tools/output.h"
#include "tools/streams.h"
#include "tools/tune/output.h"
#include "tools/tune/report.h"
#include "tools/tune/run.h"
#include "tools/tune/why.h"

namespace gumtile::tools {
namespace {

constexpr int kSignalled = 128;  // plus the signal's number, as in shells: 130 for Ctrl-C

struct Options {
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  std::string model;
  int64_t shards = 1;
  std::string dtype;
  std::string hidden_dtype;
  std::string noise = "grouped";
  SettingOptions head_settings;
  std::string features = "token,logprob";
  int64_t max_rows = 512;
  std::string batches;
  std::string device = "auto";
  std::string budget = "3m";
  bool resume = false;
  int candidates = 32;
  bool all_families = false;
  int jobs = std::clamp(cpu::usable_threads(), 1, 16);
  std::string out;
  std::string report;
  std::optional<double> product_teraflops;
  std::string format = "table";
  bool why = false;
  // For tests.
  std::vector<std::string> faults;
  std::string compile_deadline = "60s";
  std::string launch_deadline = "20s";
  bool no_read_floor = false;
};

/// The features of one head, from a list that begins with "token": each head has tokens and status words.
Features parse_features(const std::string& text) {
  Features features = kNoFeatures;
  bool token = false;
  for (const Features set : parse_feature_sets("--features", text)) {
    token |= set == kNoFeatures;
    features |= set;
  }
  if (!token) throw Error(ErrorCode::usage, fmt::format("--features: '{}' lacks token", text));
  return features;
}

MeasuredHead parse_head_options(const Options& options, const ModelHead& model) {
  MeasuredHead head;
  head.vocab_size = model.vocab_size;
  head.hidden_size = model.hidden_size;
  head.weights_dtype = model.dtype;
  require_shape("tune", {head.vocab_size, head.hidden_size, options.max_rows});
  head.hidden_dtype = options.hidden_dtype.empty()
                          ? head.weights_dtype
                          : parse_matrix_dtype("--hidden-dtype", options.hidden_dtype);
  head.noise = parse_noise("--noise", options.noise);
  head.features = parse_features(options.features);
  head.settings = model.settings;
  return head;
}

std::vector<int64_t> parse_buckets(const Options& options) {
  if (options.max_rows < 1)
    throw Error(ErrorCode::usage, fmt::format("--max-rows: {} is not at least 1", options.max_rows));
  if (options.batches.empty()) return batch_buckets(options.max_rows);
  std::vector<int64_t> buckets;
  for (const int32_t batch : parse_i32_list("--batches", options.batches, "batch")) {
    require_shape("--batches", {1, 1, batch});
    if (batch < 1)
      throw Error(ErrorCode::usage, fmt::format("--batches: '{}' has a batch below 1", options.batches));
    const int64_t end = batch_buckets(batch).back();
    if (std::find(buckets.begin(), buckets.end(), end) == buckets.end()) buckets.push_back(end);
  }
  return buckets;
}

/// STAGE:KIND:CANDIDATE
InjectedFault parse_fault(const std::string& text) {
  const size_t first = text.find(':');
  const size_t second = text.find(':', first + 1);
  if (first == std::string::npos || second == std::string::npos)
    throw Error(ErrorCode::usage, fmt::format("--inject-fault: '{}' is not STAGE:KIND:CANDIDATE", text));
  return {text.substr(0, first), text.substr(first + 1, second - first - 1),
          parse_u64_list("--inject-fault", text.substr(second + 1)).front()};
}

/// "90s", "1.5m", "2h", "500ms" or seconds, in seconds.
double parse_duration(std::string_view option, std::string_view text) {
  constexpr double kLongest = 30 * 24 * 3600.0;
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const std::string_view unit = text.substr(static_cast<size_t>(end - text.data()));
  double seconds = 0;
  for (const auto& [name, scale] :
       {std::pair{"", 1.0}, {"s", 1.0}, {"ms", 1e-3}, {"m", 60.0}, {"min", 60.0}, {"h", 3600.0}})
    if (error == std::errc{} && unit == name) seconds = value * scale;
  if (!(seconds > 0 && seconds <= kLongest))
    throw Error(ErrorCode::usage,
                fmt::format("{}: '{}' is not a time of more than 0 and at most 30 days, e.g. 90s, 3m or 1h",
                            option, text));
  return seconds;
}

std::chrono::milliseconds milliseconds(double seconds) {
  return std::chrono::milliseconds(static_cast<int64_t>(1e3 * seconds));
}

/// Fails before the search if records could not be written after it. The folder need not exist.
void require_folder(const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::path nearest = std::filesystem::absolute(folder, error);
  while (!std::filesystem::exists(nearest, error) && nearest.has_relative_path())
    nearest = nearest.parent_path();
  std::string why;
  if (!std::filesystem::is_directory(nearest, error))
    why = fmt::format("'{}' is not a folder", nearest.string());
  else if (::access(nearest.c_str(), W_OK | X_OK) != 0)
    why = fmt::format("'{}' cannot be written: {}", nearest.string(), std::strerror(errno));
  if (!why.empty())
    throw Error(ErrorCode::cannot_create,
                fmt::format("records cannot be written to '{}': {}; give --out DIR", folder.string(), why));
}

TuneSettings parse_settings(const Options& options) {
  constexpr double kMostTeraflops = 1e6;
  TuneSettings settings;
  settings.device = options.device;
  settings.origin = resolve_head(
      "tune", {options.model, options.vocab_size, options.hidden_size, options.dtype, options.head_settings});
  settings.problems = shard_problems(parse_head_options(options, settings.origin), options.shards);
  settings.buckets = parse_buckets(options);
  settings.budget_seconds = parse_duration("--budget", options.budget);
  settings.resume = options.resume;
  settings.candidates = options.candidates;
  settings.all_families = options.all_families;
  settings.compile_workers = options.jobs;
  settings.folder = options.out.empty() ? default_tuning_folder() : std::filesystem::path(options.out);
  settings.compile_deadline = milliseconds(parse_duration("--compile-deadline", options.compile_deadline));
  settings.deadlines.load = settings.compile_deadline;
  settings.deadlines.launch = milliseconds(parse_duration("--launch-deadline", options.launch_deadline));
  settings.read_floor = !options.no_read_floor;
  for (const std::string& fault : options.faults) settings.faults.push_back(parse_fault(fault));
  if (const auto& rate = options.product_teraflops; rate && !(*rate > 0 && *rate <= kMostTeraflops))
    throw Error(ErrorCode::usage,
                fmt::format("--product-tflops: {} is not a rate of more than 0 and at most {}", *rate,
                            kMostTeraflops));
  if (settings.folder.empty())
    throw Error(ErrorCode::usage, "there is no folder for records: give --out or set GUMTILE_TUNING_DIR");
  return settings;
}

/// The command that repeats the search.
std::string command_line(const Options& o, const HeadSettings& head_settings) {
  std::string text = "gumtile tune";
  if (!o.model.empty()) text += " --model " + o.model;
  if (o.vocab_size != 0) text += fmt::format(" --vocab-size {}", o.vocab_size);
  if (o.hidden_size != 0) text += fmt::format(" --hidden-size {}", o.hidden_size);
  if (o.shards != 1) text += fmt::format(" --tp {}", o.shards);
  if (!o.dtype.empty()) text += " --dtype " + o.dtype;
  if (!o.hidden_dtype.empty()) text += " --hidden-dtype " + o.hidden_dtype;
  text += setting_options(head_settings);
  text += fmt::format(" --noise {} --features {}", o.noise, o.features);
  text += o.batches.empty() ? fmt::format(" --max-rows {}", o.max_rows) : " --batches " + o.batches;
  text += fmt::format(" --device {} --budget {} --candidates {}", o.device, o.budget, o.candidates);
  if (o.all_families) text += " --all-families";
  return text;
}

/// Remarks on the result.
std::string remarks(const TuneSettings& settings, const TuneResult& result, const std::string& report) {
  std::string text;
  bool is_complete = result.signal == 0;
  bool has_record = false;  // else there are only results for a search that continues
  for (const ProblemResult& problem : result.problems)
    for (const BucketResult& bucket : problem.buckets) {
      const TuningRecord& record = bucket.record;
      if (bucket.fault.empty() && !record.complete) is_complete = false;
      if (!record.winner.empty()) has_record = true;
      if (!record.note.empty())
        text += fmt::format("batch {}: {}\n", record.key.problem.max_rows, record.note);
      if (!bucket.chooses)
        text += fmt::format(
            "batch {}: the record of another compiler or driver is kept, since it is more thorough; '{}' is "
            "beside it\n",
            record.key.problem.max_rows, bucket.path.string());
    }
  if (result.saved) {
    text += fmt::format("{} in '{}'", has_record ? "records are" : "what was measured is",
                        settings.folder.string());
    if (settings.folder != default_tuning_folder())
      text += fmt::format("; to use them: GUMTILE_TUNING_DIR='{}'", settings.folder.string());
    text += "\n";
  }
  if (!report.empty()) text += fmt::format("the report is '{}'\n", report);
  if (!is_complete)
    text += fmt::format("{}; to go on: the same command with --resume\n",
                        result.signal != 0 ? "interrupted" : "the budget was spent before all was measured");
  return text;
}

/// The result is shown even if files cannot be written; that is reported afterwards.
void deliver(const Options& options, const TuneSettings& settings, const TuneResult& result,
             const std::optional<io::OutputFile>& report) {
  std::vector<std::string> failures = result.unsaved;
  const auto attempt = [&](const auto& body) {
    try {
      body();
      return true;
    } catch (const Error& error) {
      failures.emplace_back(error.what());
      return false;
    }
  };
  attempt([&] { write_stdout(render_tuning(result, settings.origin, options.format)); });
  const bool reported = report && attempt([&] {
                          report->write(tuning_report(result, options.product_teraflops.value_or(0),
                                                      command_line(options, settings.origin.settings)));
                        });
  write_stderr(remarks(settings, result, reported ? report->path() : ""));
  if (failures.empty()) return;
  const std::string first = failures.front();
  failures.erase(failures.begin());
  throw Error(ErrorCode::cannot_create, first, failures);
}

int run(const Options& options) {
  const TuneSettings settings = parse_settings(options);
  if (options.why) {
    write_stdout(explain_choices(settings, options.format));
    return 0;
  }
  require_folder(settings.folder);
  std::optional<io::OutputFile> report;
  if (!options.report.empty()) report.emplace(options.report);
  const TuneResult result = run_tuning(settings);
  deliver(options, settings, result, report);
  if (result.signal != 0) return kSignalled + result.signal;
  for (const ProblemResult& problem : result.problems)
    for (const BucketResult& bucket : problem.buckets)
      if (!bucket.fault.empty()) return 1;
  return 0;
}

}  // namespace

Action add_tune(CLI::App& app) {
  auto o = std::make_shared<Options>();
  add_integer(app, "--vocab-size", o->vocab_size, "rows of the weights (default: the model's)");
  add_integer(app, "--hidden-size", o->hidden_size, "columns of the weights (default: the model's)");
  add_text(app, "--model", o->model, "DIR",
           "a model's folder, or FILE[:TENSOR]: sizes and type of its head, else those in its config.json")
      ->check(not_empty("a model"));
  add_integer(app, "--tp", o->shards, "GPUs that share the vocabulary: tune for the range of each one");
  add_matrix_dtype(app, "--dtype", o->dtype, "type of the weights (default: the model's, else bf16)");
  add_matrix_dtype(app, "--hidden-dtype", o->hidden_dtype,
                   "type of the hidden states (default: the weights')");
  add_settings(app, o->head_settings, ArrayValue::type);
  add_noise(app, o->noise);
  add_choices(app, "--features", o->features, "FEATURE", feature_names(),
              "what the one head to tune for gives; logprob goes with token: token,logprob");
  add_integer(app, "--max-rows", o->max_rows, "tune all batch buckets up to this many rows");
  add_text(app, "--batches", o->batches, "N,...", "tune only the buckets of these batch sizes")
      ->check(not_empty("a list of batch sizes, e.g. 1,16"));
  add_device(app, o->device);
  add_text(app, "--budget", o->budget, "TIME", "time for all buckets together, e.g. 90s, 3m or 1h");
  app.add_flag(
      "--resume", o->resume,
      "go on where a search was interrupted or its budget was spent; skip buckets that are recorded");
  add_integer(app, "--candidates", o->candidates,
              "schedules to try for a bucket, the built-in choice among them", 1, 1000);
  app.add_flag("--all-families", o->all_families,
               "also measure schedules of other families; they do not win, as they round differently");
  add_integer(app, "--jobs", o->jobs, "processes that compile", 1, 256);
  add_text(app, "--out", o->out, "DIR", "folder for the records (default: where heads look for them)")
      ->check(not_empty("a folder"));
  add_text(app, "--report", o->report, "FILE", "write a page of HTML with the search as a plot")
      ->check(not_empty("a file"));
  app.add_option("--product-tflops", o->product_teraflops,
                 "what the device multiplies at most, measured: draw the product's floor in the report")
      ->type_name("N");
  add_format(app, o->format, {"table", "md", "json"});
  app.add_flag("--why", o->why, "show which record or rule chooses each bucket's kernel; measure nothing");
  app.add_option("--inject-fault", o->faults)->group("");
  app.add_option("--compile-deadline", o->compile_deadline)->group("");
  app.add_option("--launch-deadline", o->launch_deadline)->group("");
  app.add_flag("--no-read-floor", o->no_read_floor)->group("");
  app.footer(examples({"gumtile tune --vocab-size 151936 --hidden-size 4096",
                       "gumtile tune --model path/to/model --tp 8 --features token",
                       "gumtile tune --vocab-size 151936 --hidden-size 4096 --batches 1,64 --budget 60s "
                       "--report tuning.html",
                       "gumtile tune --vocab-size 151936 --hidden-size 4096 --why"}));
  return [o] { return run(*o); };
}

}  // namespace gumtile::tools
