#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <optional>

#include "gumtile/assembler.h"
#include "gumtile/compiler.h"
#include "gumtile/pack.h"
#include "gumtile/tuning.h"
#include "runtime/io/output_file.h"
#include "tools/command.h"
#include "tools/compile_kernels.h"
#include "tools/head_settings.h"
#include "tools/help.h"
#include "tools/model_head.h"
#include "tools/open_engine.h"
#include "tools/options.h"
#include "tools/output.h"
#include "tools/pack_contents.h"
#include "tools/units.h"

namespace gumtile::tools {
namespace {

struct Options {
  std::string model;
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  int64_t first_token = 0;
  int64_t tp = 1;
  std::string dtype;
  std::string hidden_dtype;
  std::string token_dtypes = "i32";
  SettingOptions settings;
  std::string noise = "grouped";
  std::string features = "token,logprob";
  int64_t max_rows = 64;
  std::string targets = "host";
  std::string schedule;
  std::string ptxas;
  std::string output;
  std::string format;
};

void require(bool holds, const std::string& message) {
  if (!holds) throw Error(ErrorCode::usage, message);
}

/// The sizes and types of the head, from the options or the model. With `--tp N` it is the first of N equal
/// ranges of the vocabulary, unless `--first-token` names another.
LmHeadOptions head_options(const Options& options, const ModelHead& model) {
  LmHeadOptions head;
  head.vocab_size = model.vocab_size;
  head.hidden_size = model.hidden_size;
  require_shape("compile", {head.vocab_size, head.hidden_size, 1});
  require(head.vocab_size % options.tp == 0,
          fmt::format("--tp: a vocabulary of {} does not divide into {} equal ranges; give a range's own "
                      "--vocab-size and --first-token",
                      head.vocab_size, options.tp));
  head.vocab_size /= options.tp;
  head.first_token = options.first_token;
  head.weights_dtype = model.dtype;
  head.hidden_dtype = options.hidden_dtype.empty()
                          ? head.weights_dtype
                          : parse_matrix_dtype("--hidden-dtype", options.hidden_dtype);
  head.noise = parse_noise("--noise", options.noise);
  head.settings = model.settings;
  if (!options.schedule.empty()) head.schedule = Schedule::parse(options.schedule);
  return head;
}

CompileOptions compile_options(const Options& options) {
  CompileOptions compile;
  compile.ptxas_may_fail = options.ptxas.empty();
  if (options.ptxas.empty())
    compile.ptxas = find_assembler().value_or("");
  else if (options.ptxas != "none")
    compile.ptxas = options.ptxas;
  require(options.ptxas.empty() || compile.ptxas.empty() || access(compile.ptxas.c_str(), X_OK) == 0,
          fmt::format("--ptxas: '{}' is not a program that can be run", compile.ptxas));
  compile.progress = [status = std::make_shared<StatusLine>()](int done, int total) {
    status->show(fmt::format("compiling: {} of {}", done, count_text(total, "kernel")));
  };
  return compile;
}

/// User records, then shipped ones.
std::shared_ptr<const TuningRecords> tuning_records() {
  return TuningRecords::load({}, warnings_to_stderr());
}

/// Says how many of the records for its matrix the pack has.
std::string tuning_text(const PackRequest& request, const Pack& pack) {
  const size_t known = request.tuning->count_for(request.head.vocab_size, request.head.hidden_size);
  if (known == 0) return {};
  return fmt::format("it has {} of {} tuning records for this matrix\n", pack.tuning_records().size(), known);
}

int run(const Options& options) {
  const std::string identity =
      compiler_identity(target_for_device(8, 0));  // reports it if there is no compiler
  PackRequest request;
  const ModelHead model = resolve_head(
      "compile", {options.model, options.vocab_size, options.hidden_size, options.dtype, options.settings});
  request.head = head_options(options, model);
  request.feature_sets = parse_feature_sets("--features", options.features);
  request.token_dtypes = parse_token_dtypes("--token-dtype", options.token_dtypes);
  request.max_rows = options.max_rows;
  request.targets = parse_targets("--targets", options.targets);
  request.tuning = tuning_records();
  CompileOptions compile = compile_options(options);
  const auto start = std::chrono::steady_clock::now();
  const std::vector<PackPlan> plans = plan_pack(request);
  const io::OutputFile output(options.output);  // checked now, since compiling may take minutes
  const CompiledKernels compiled = compile_kernels(plans, compile);
  compile.progress = {};  // removes the line on the terminal
  for (const std::string& note : compiled.without_cubin) print_stderr("gumtile: {}\n", note);

  PackWriter writer(request, "LLVM " + llvm_version());
  for (size_t i = 0; i < plans.size(); ++i)
    for (const KernelArtifact& artifact : compiled.artifacts[i]) writer.add(plans[i], artifact);
  for (std::string& text : pack_tuning_records(request)) writer.add_tuning_record(std::move(text));
  const std::string bytes = writer.bytes();
  output.write(bytes);
  const double seconds = milliseconds_since(start) * 1e-3;

  const std::shared_ptr<Pack> pack = read_pack(bytes, options.output);
  std::string text;
  if (options.format == "json") {
    Json json = pack_json(*pack, options.output, bytes.size());
    json["seconds"] = rounded(seconds, 3);
    if (!options.model.empty()) json["head"] = origin_json(model);
    text = json_text(json);
  } else {
    text = pack_text(*pack, options.output, bytes.size()) + tuning_text(request, *pack) + origin_text(model) +
           fmt::format("made in {}\n", duration_text(1e6 * seconds));
  }
  if (output.is_stdout())  // the pack goes to stdout
    write_stderr(text);
  else
    write_stdout(text);
  return 0;
}

}  // namespace

Action add_compile(CLI::App& app) {
  auto options = std::make_shared<Options>();
  add_text(app, "--model", options->model, "DIR",
           "a model's folder, or FILE[:TENSOR]: sizes and type of its head, else those in its config.json");
  add_integer(app, "--vocab-size", options->vocab_size, "rows of the weights (default: the model's)");
  add_integer(app, "--hidden-size", options->hidden_size, "columns of the weights (default: the model's)");
  add_integer(app, "--first-token", options->first_token, "the token of the weights' first row", 0);
  add_integer(app, "--tp", options->tp, "the vocabulary is in so many equal ranges; the pack is for one");
  add_matrix_dtype(app, "--dtype", options->dtype, "type of the weights (default: the model's, else bf16)");
  add_matrix_dtype(app, "--hidden-dtype", options->hidden_dtype,
                   "type of the hidden states (default: as the weights)");
  add_choices(app, "--token-dtype", options->token_dtypes, "TYPE", {"i32", "i64"},
              "types of tokens to have kernels for");
  add_settings(app, options->settings, ArrayValue::type);
  add_noise(app, options->noise);
  add_choices(app, "--features", options->features, "SET", feature_names(),
              "heads to have kernels for, each a set: token gives tokens alone, logprob gives both");
  add_integer(app, "--max-rows", options->max_rows, "the largest batch");
  add_text(app, "--targets", options->targets, "TARGET,...",
           "host (all of its variants), host:x86-64-v3, sm_80, sm_90a, ...");
  add_text(app, "--schedule", options->schedule, "SCHEDULE",
           "for every batch, instead of tuned and built-in choices");
  add_text(app, "--ptxas", options->ptxas, "FILE",
           "makes cubins beside the PTX: a path, or none (default: the one that doctor shows)");
  add_text(app, "-o,--output", options->output, "FILE", "the pack's file")->required();
  add_format(app, options->format, {"table", "json"});
  app.footer(examples({"gumtile compile --model path/to/model --targets sm_90a -o head.gtpack",
                       "gumtile compile --vocab-size 32000 --hidden-size 1024 --max-rows 8 -o head.gtpack"}));
  return [options] { return run(*options); };
}

}  // namespace gumtile::tools
