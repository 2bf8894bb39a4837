#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>

#include "gumtile/compiler.h"
#include "gumtile/pack.h"
#include "gumtile/programs.h"
#include "tools/command.h"
#include "tools/disassemble.h"
#include "tools/head_settings.h"
#include "tools/help.h"
#include "tools/options.h"
#include "tools/output.h"
#include "tools/pack_contents.h"
#include "tools/suggestion.h"
#include "tools/units.h"

namespace gumtile::tools {
namespace {

struct Options {
  std::string emit = "plan";
  std::string program{builtin_programs().front().name};
  std::string target = "host";
  std::string schedule;
  std::string pack;
  std::string format;
  int64_t vocab_size = 151936;
  int64_t hidden_size = 4096;
  int64_t rows = 1;
  std::string dtype = "bf16";
  std::string hidden_dtype;
  std::string output_dtype = "f32";
  SettingOptions settings;
  std::string noise = "grouped";
  bool no_logprob = false;
};

std::vector<std::string> builtin_names() {
  std::vector<std::string> names;
  for (const BuiltinProgram& program : builtin_programs()) names.emplace_back(program.name);
  return names;
}

Program read_program(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  if (!file) {
    const std::vector<std::string> names = builtin_names();
    throw Error(
        ErrorCode::io,
        fmt::format("--program: '{}' is neither a file that can be read nor a built-in Program; those are "
                    "{}{}",
                    path, joined(names, "and"), did_you_mean(path, names)));
  }
  try {
    return parse_program(text);
  } catch (const Error& error) {
    throw Error(error.code(), fmt::format("Program file '{}': {}", path, error.what()), error.notes());
  }
}

Program make_program(const Options& options) {
  const DType weights = parse_matrix_dtype("--dtype", options.dtype);
  const DType hidden =
      options.hidden_dtype.empty() ? weights : parse_matrix_dtype("--hidden-dtype", options.hidden_dtype);
  const DType output = parse_matrix_dtype("--output-dtype", options.output_dtype);
  SamplingOptions sampling{parse_noise("--noise", options.noise), hidden, weights, !options.no_logprob};
  sampling.settings = override_settings(options.settings, ArrayValue::type, {});
  const BuiltinProgram* program = find_builtin_program(options.program);
  if (sampling.settings != HeadSettings() && (program == nullptr || !program->samples))
    throw Error(ErrorCode::usage, fmt::format("{}: '{}' does not sample",
                                              setting_options(sampling.settings).substr(1), options.program));
  if (program != nullptr) return program->make(sampling, output);
  return read_program(options.program);
}

/// Dense weights at an address aligned to 16 bytes.
int dense_alignment(const Program& program, int64_t hidden_size) {
  if (program.contractions.empty()) return 16;
  const DType dtype = program.inputs[program.contractions.front().right].dtype;
  const int64_t row_bytes = hidden_size * static_cast<int64_t>(size_bytes(dtype));
  return static_cast<int>(std::min<int64_t>(16, row_bytes & -row_bytes));
}

KernelPlan plan_for(const Options& options, const Program& program, const Target& target) {
  Problem problem;
  problem.columns = options.vocab_size;
  problem.contracted = program.contractions.empty() ? 0 : options.hidden_size;
  problem.max_rows = options.rows;
  problem.weights_alignment = dense_alignment(program, options.hidden_size);
  const Schedule schedule = options.schedule.empty() ? default_schedule(program, problem, target)
                                                     : Schedule::parse(options.schedule);
  return make_plan(program, problem, schedule, target);
}

/// What --emit names: text, or a cubin's bytes.
std::string stage_text(const Options& options) {
  const Target target = Target::parse(options.target);
  const Program program = make_program(options);
  if (options.emit == "program") return print(program);
  const bool needs_gpu = options.emit == "ptx" || options.emit == "cubin" || options.emit == "sass";
  if (needs_gpu && !target.is_cuda())
    throw Error(ErrorCode::usage,
                fmt::format("--emit {} needs a GPU target, e.g. --target sm_90a; found '{}'", options.emit,
                            target.str()));
  const KernelPlan plan = plan_for(options, program, target);
  if (options.emit == "plan") return plan.str();
  if (options.emit == "llvm") return emit(plan, Stage::llvm);
  if (!needs_gpu) return emit(plan, Stage::assembly);
  std::string ptx = compile(plan, warnings_to_stderr()).code;
  if (options.emit == "cubin") return make_cubin(ptx, target);
  return options.emit == "sass" ? disassemble(ptx, target) : ptx;
}

int show_stage(const Options& options) {
  const bool binary = options.emit == "cubin";
  if (binary && is_stdout_terminal())
    throw Error(
        ErrorCode::usage,
        "--emit cubin writes a binary file to stdout, which is a terminal; redirect it: > kernel.cubin");
  std::string text = stage_text(options);
  if (!binary && !text.ends_with('\n')) text += '\n';
  write_stdout(text);
  return 0;
}

int show_pack(const Options& options) {
  const std::shared_ptr<Pack> pack = open_pack(options.pack);
  const uint64_t bytes = std::filesystem::file_size(options.pack);
  write_stdout(options.format == "json" ? json_text(pack_json(*pack, options.pack, bytes))
                                        : pack_text(*pack, options.pack, bytes));
  return 0;
}

int run(const Options& options) { return options.pack.empty() ? show_stage(options) : show_pack(options); }

}  // namespace

Action add_inspect(CLI::App& app) {
  auto options = std::make_shared<Options>();
  add_choice(
      app, "--emit", options->emit, "STAGE", {"program", "plan", "llvm", "ptx", "asm", "cubin", "sass"},
      "the stage to show; asm is the target's assembly, cubin a file's bytes, and the last two need the "
      "CUDA toolkit's tools");
  add_text(app, "--program", options->program, "PROGRAM",
           "a file with a Program's text, or one that is built in")
      ->check(suggested(builtin_names()));
  add_text(app, "--target", options->target, "TARGET", "host, host:CPU (LLVM's name), sm_80, sm_90a, ...");
  add_text(app, "--schedule", options->schedule, "SCHEDULE", "instead of the built-in choice");
  add_text(app, "--pack", options->pack, "FILE", "list this pack's contents instead");
  add_format(app, options->format, {"table", "json"})->description("how a pack's contents are printed");
  add_integer(app, "--vocab-size", options->vocab_size, "columns");
  add_integer(app, "--hidden-size", options->hidden_size, "extent of the contraction");
  add_integer(app, "--rows", options->rows, "the largest batch to choose a schedule for");
  add_matrix_dtype(app, "--dtype", options->dtype, "type of the weights");
  add_matrix_dtype(app, "--hidden-dtype", options->hidden_dtype,
                   "type of the hidden states or logits (default: as --dtype)");
  add_matrix_dtype(app, "--output-dtype", options->output_dtype, "type of gemm's result");
  add_settings(app, options->settings, ArrayValue::type, "none");
  add_noise(app, options->noise);
  app.add_flag("--no-logprob", options->no_logprob, "without the log-probability");
  app.footer(examples(
      {"gumtile inspect --emit program", "gumtile inspect --emit ptx --target sm_90a --rows 64",
       "gumtile inspect --emit cubin --target sm_90a > kernel.cubin", "gumtile inspect --pack head.gtpack"}));
  return [options] { return run(*options); };
}

}  // namespace gumtile::tools
