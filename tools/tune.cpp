#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <fstream>
#include <thread>

#include "gumtile/error.h"
#include "tools/command.h"
#include "tools/model_head.h"
#include "tools/options.h"
#include "tools/output.h"
#include "tools/tune/output.h"
#include "tools/tune/report.h"
#include "tools/tune/run.h"
#include "tools/tune/why.h"

namespace gumtile::tools {
namespace {

constexpr int kInterrupted = 130;  // 128 + SIGINT, as shells have it

struct Options {
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  std::string model;
  int64_t shards = 1;
  std::string dtype;
  std::string hidden_dtype;
  std::string noise = "grouped";
  std::string features = "token,logprob";
  int64_t max_rows = 512;
  std::string batches;
  std::string device = "auto";
  double budget_seconds = 180;
  bool resume = false;
  int candidates = 32;
  bool all_families = false;
  int jobs = std::clamp(static_cast<int>(std::thread::hardware_concurrency()), 1, 16);
  std::string out;
  std::string report;
  double product_teraflops = 0;
  std::string format = "table";
  bool why = false;
  // For tests.
  std::vector<std::string> faults;
  double compile_deadline = 60;
  double launch_deadline = 20;
  bool no_read_floor = false;
};

/// Whether the features ask for log-probabilities; the token and the status words are always there.
bool parse_features(const std::string& text) {
  bool token = false;
  bool logprob = false;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    const std::string feature = text.substr(begin, end - begin);
    if (feature != "token" && feature != "logprob")
      throw Error(ErrorCode::usage,
                  fmt::format("--features: unknown feature '{}' in '{}'; known are token and "
                              "token,logprob",
                              feature, text));
    (feature == "token" ? token : logprob) = true;
    begin = end + 1;
  }
  if (!token) throw Error(ErrorCode::usage, fmt::format("--features: '{}' lacks token", text));
  return logprob;
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
  head.logprob = parse_features(options.features);
  return head;
}

std::vector<int64_t> parse_buckets(const Options& options) {
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

std::chrono::milliseconds milliseconds(double seconds) {
  return std::chrono::milliseconds(static_cast<int64_t>(1e3 * seconds));
}

TuneSettings parse_settings(const Options& options) {
  TuneSettings settings;
  settings.device = options.device;
  settings.origin =
      resolve_head("tune", {options.model, options.vocab_size, options.hidden_size, options.dtype});
  settings.problems = shard_problems(parse_head_options(options, settings.origin), options.shards);
  settings.buckets = parse_buckets(options);
  settings.budget_seconds = options.budget_seconds;
  settings.resume = options.resume;
  settings.candidates = options.candidates;
  settings.all_families = options.all_families;
  settings.compile_workers = options.jobs;
  settings.folder = options.out.empty() ? default_tuning_folder() : std::filesystem::path(options.out);
  settings.compile_deadline = milliseconds(options.compile_deadline);
  settings.deadlines.load = settings.compile_deadline;
  settings.deadlines.launch = milliseconds(options.launch_deadline);
  settings.read_floor = !options.no_read_floor;
  for (const std::string& fault : options.faults) settings.faults.push_back(parse_fault(fault));
  if (settings.folder.empty())
    throw Error(ErrorCode::usage, "there is no folder for records: give --out or set GUMTILE_TUNING_DIR");
  return settings;
}

/// The command that searches the same again.
std::string command_line(const Options& o) {
  std::string text = "gumtile tune";
  if (!o.model.empty()) text += " --model " + o.model;
  if (o.vocab_size != 0) text += fmt::format(" --vocab-size {}", o.vocab_size);
  if (o.hidden_size != 0) text += fmt::format(" --hidden-size {}", o.hidden_size);
  if (o.shards != 1) text += fmt::format(" --tp {}", o.shards);
  if (!o.dtype.empty()) text += " --dtype " + o.dtype;
  if (!o.hidden_dtype.empty()) text += " --hidden-dtype " + o.hidden_dtype;
  text += fmt::format(" --noise {} --features {}", o.noise, o.features);
  text += o.batches.empty() ? fmt::format(" --max-rows {}", o.max_rows) : " --batches " + o.batches;
  text += fmt::format(" --device {} --budget {}s --candidates {}", o.device, o.budget_seconds, o.candidates);
  if (o.all_families) text += " --all-families";
  return text;
}

void write_report(const Options& options, const TuneResult& result) {
  std::ofstream out(options.report, std::ios::binary);
  out << tuning_report(result, options.product_teraflops, command_line(options));
  out.close();
  if (!out) throw Error(ErrorCode::cannot_create, fmt::format("'{}' cannot be written", options.report));
}

int run(const Options& options) {
  const TuneSettings settings = parse_settings(options);
  if (options.why) {
    write_stdout(explain_choices(settings, options.format));
    return 0;
  }
  const TuneResult result = run_tuning(settings);
  if (!options.report.empty()) write_report(options, result);
  write_stdout(render_tuning(result, settings.origin, options.format));
  fmt::print(stderr, "records are in '{}'{}{}{}\n", settings.folder.string(),
             settings.folder == default_tuning_folder()
                 ? ""
                 : fmt::format("; to use them: GUMTILE_TUNING_DIR='{}'", settings.folder.string()),
             options.report.empty() ? "" : fmt::format("; the report is '{}'", options.report),
             result.interrupted ? "; to go on: the same command with --resume" : "");
  if (result.interrupted) return kInterrupted;
  for (const ProblemResult& problem : result.problems)
    for (const BucketResult& bucket : problem.buckets)
      if (!bucket.fault.empty()) return 1;
  return 0;
}

}  // namespace

Action add_tune(CLI::App& app) {
  auto o = std::make_shared<Options>();
  app.add_option("--vocab-size", o->vocab_size, "rows of the weights");
  app.add_option("--hidden-size", o->hidden_size, "columns of the weights");
  app.add_option(
      "--model", o->model,
      "a model's folder, or FILE[:TENSOR]: sizes and type of its head, else those in its config.json");
  app.add_option("--tp", o->shards, "GPUs that share the vocabulary: tunes for each one's range")
      ->capture_default_str();
  app.add_option("--dtype", o->dtype, "of the weights: bf16, f16 or f32 (default: the model's, else bf16)");
  app.add_option("--hidden-dtype", o->hidden_dtype, "of the hidden states (default: as the weights)");
  app.add_option("--noise", o->noise, "grouped or per_token")->capture_default_str();
  app.add_option("--features", o->features,
                 "outputs of the one head to tune for: token, or token,logprob for a head that also gives "
                 "log-probabilities")
      ->capture_default_str();
  app.add_option("--max-rows", o->max_rows, "tunes all batch buckets up to this many rows")
      ->capture_default_str();
  app.add_option("--batches", o->batches, "comma list of batch sizes: tunes only their buckets");
  app.add_option("--device", o->device, "auto, cpu or cuda:N")->capture_default_str();
  app.add_option("--budget", o->budget_seconds, "time for all buckets together, e.g. 90s or 3m")
      ->transform(CLI::AsNumberWithUnit(std::map<std::string, double>{{"s", 1}, {"m", 60}, {"h", 3600}}))
      ->capture_default_str();
  app.add_flag("--resume", o->resume,
               "skips buckets that are recorded, and goes on where it was interrupted");
  app.add_option("--candidates", o->candidates,
                 "schedules to try for a bucket, the built-in choice among them")
      ->check(CLI::Range(1, 1000))
      ->capture_default_str();
  app.add_flag("--all-families", o->all_families,
               "measures schedules of other families, too; they do not win, as they round differently");
  app.add_option("--jobs", o->jobs, "processes that compile")
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  app.add_option("--out", o->out, "folder for the records (default: where heads look for them)");
  app.add_option("--report", o->report, "writes a page of HTML with the search as a plot");
  app.add_option("--product-tflops", o->product_teraflops,
                 "what the device multiplies at most, measured: draws the product's floor in the report");
  app.add_option("--format", o->format, "table, md or json")
      ->check(CLI::IsMember({"table", "md", "json"}))
      ->capture_default_str();
  app.add_flag("--why", o->why, "shows which record or rule chooses each bucket's kernel; measures nothing");
  app.add_option("--inject-fault", o->faults)->group("");
  app.add_option("--compile-deadline", o->compile_deadline)->group("");
  app.add_option("--launch-deadline", o->launch_deadline)->group("");
  app.add_flag("--no-read-floor", o->no_read_floor)->group("");
  return [o] { return run(*o); };
}

}  // namespace gumtile::tools
