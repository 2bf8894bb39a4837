#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <optional>

#include "gumtile/assembler.h"
#include "gumtile/compiler.h"
#include "gumtile/pack.h"
#include "gumtile/tuning.h"
#include "runtime/io/output_file.h"
#include "tools/command.h"
#include "tools/compile_kernels.h"
#include "tools/model_head.h"
#include "tools/open_engine.h"
#include "tools/options.h"
#include "tools/output.h"
#include "tools/pack_contents.h"

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
  std::string noise = "grouped";
  std::string features = "token,logprob";
  int64_t max_rows = 64;
  std::string targets = "host";
  std::string schedule;
  std::string ptxas;
  std::string output;
  std::string format = "table";
};

void require(bool holds, const std::string& message) {
  if (!holds) throw Error(ErrorCode::usage, message);
}

/// The sizes and types of the head that the options or the model have. With `--tp N` it is the first of N
/// equal ranges of the vocabulary, unless `--first-token` names another.
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
          fmt::format("--ptxas: '{}' is no program that can be run", compile.ptxas));
  if (isatty(STDERR_FILENO) != 0)
    compile.progress = [](int done, int total) {
      fmt::print(stderr, "\rcompiling: {} of {} kernels{}", done, total, done == total ? "\n" : "");
      std::fflush(stderr);
    };
  return compile;
}

/// User records, then shipped ones.
std::shared_ptr<const TuningRecords> tuning_records() {
  return TuningRecords::load({}, warnings_to_stderr());
}

int run(const Options& options) {
  const std::string identity = compiler_identity(target_for_device(8, 0));  // says so where there is none
  PackRequest request;
  const ModelHead model =
      resolve_head("compile", {options.model, options.vocab_size, options.hidden_size, options.dtype});
  request.head = head_options(options, model);
  request.feature_sets = parse_feature_sets("--features", options.features);
  request.token_dtypes = parse_token_dtypes("--token-dtype", options.token_dtypes);
  request.max_rows = options.max_rows;
  request.targets = parse_targets("--targets", options.targets);
  request.tuning = tuning_records();
  const CompileOptions compile = compile_options(options);
  const auto start = std::chrono::steady_clock::now();
  const std::vector<PackPlan> plans = plan_pack(request);
  const io::OutputFile output(options.output);  // now, since compiling may take minutes
  const CompiledKernels compiled = compile_kernels(plans, compile);
  for (const std::string& note : compiled.without_cubin) fmt::print(stderr, "gumtile: {}\n", note);

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
    text = json.dump(2, ' ', false, Json::error_handler_t::replace) + "
";
  } else {
    text = pack_text(*pack, options.output, bytes.size()) + origin_text(model) +
           fmt::format("made in {:.1f} s
", seconds);
  }
  if (output.is_stdout())  // which has the pack
    fmt::print(stderr, "{}", text);
  else
    write_stdout(text);
  return 0;
}

}  // namespace

Action add_compile(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option(
      "--model", options->model,
      "a model's folder, or FILE[:TENSOR]: sizes and type of its head, else those in its config.json");
  app.add_option("--vocab-size", options->vocab_size, "rows of the weights")->check(CLI::PositiveNumber);
  app.add_option("--hidden-size", options->hidden_size, "columns of the weights")->check(CLI::PositiveNumber);
  app.add_option("--first-token", options->first_token, "the token of the weights' first row")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app.add_option("--tp", options->tp, "the vocabulary is in so many equal ranges; the pack is for one")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--dtype", options->dtype,
                 "of the weights: bf16, f16 or f32 (default: the model's, else bf16)");
  app.add_option("--hidden-dtype", options->hidden_dtype, "of the hidden states (default: as the weights)");
  app.add_option("--token-dtype", options->token_dtypes, "comma list of types of tokens: i32, i64")
      ->capture_default_str();
  app.add_option("--noise", options->noise, "grouped or per_token")->capture_default_str();
  app.add_option("--features", options->features,
                 "comma list of heads to have kernels for: token (tokens alone), logprob (tokens and "
                 "log-probabilities); token,logprob makes both")
      ->capture_default_str();
  app.add_option("--max-rows", options->max_rows, "the largest batch")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  app.add_option("--targets", options->targets,
                 "comma list: host (all of its variants), host:x86-64-v3, sm_80, sm_90a, ...")
      ->capture_default_str();
  app.add_option("--schedule", options->schedule, "for every batch, instead of tuned and built-in choices");
  app.add_option("--ptxas", options->ptxas,
                 "makes cubins beside the PTX: a path, or none (default: the one that doctor shows)");
  app.add_option("-o,--output", options->output, "the pack's file")->required();
  app.add_option("--format", options->format, "table or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  return [options] { return run(*options); };
}

}  // namespace gumtile::tools
