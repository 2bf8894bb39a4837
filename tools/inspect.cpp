#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>

#include "gumtile/compiler.h"
#include "gumtile/pack.h"
#include "tools/command.h"
#include "tools/disassemble.h"
#include "tools/options.h"
#include "tools/output.h"
#include "tools/pack_contents.h"

namespace gumtile::tools {
namespace {

struct Options {
  std::string emit = "plan";
  std::string program = "lm_head_sample";
  std::string target = "host";
  std::string schedule;
  std::string pack;
  std::string format = "table";
  int64_t vocab_size = 151936;
  int64_t hidden_size = 4096;
  int64_t rows = 1;
  std::string dtype = "bf16";
  std::string hidden_dtype;
  std::string output_dtype = "f32";
  std::string noise = "grouped";
  bool no_logprob = false;
};

Program read_program(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), {}};
  if (!file)
    throw Error(
        ErrorCode::io,
        fmt::format("--program: '{}' is neither a file that can be read nor a built-in Program; those are "
                    "lm_head_sample, sample_logits, greedy_argmax, gemm, row_statistics and cross_entropy",
                    path));
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
  const SamplingOptions sampling{parse_noise("--noise", options.noise), hidden, weights, !options.no_logprob};
  if (options.program == "lm_head_sample") return lm_head_sample(sampling);
  if (options.program == "sample_logits") return sample_logits(sampling);
  if (options.program == "greedy_argmax") return greedy_argmax(hidden, weights);
  if (options.program == "gemm") return gemm(hidden, weights, output);
  if (options.program == "row_statistics") return row_statistics(hidden, weights);
  if (options.program == "cross_entropy") return cross_entropy(hidden, weights);
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
  const auto require_positive = [](const char* option, int64_t value) {
    if (value < 1)
      throw Error(ErrorCode::usage, fmt::format("{} is {}; at least 1 is needed", option, value));
  };
  require_positive("--vocab-size", options.vocab_size);
  require_positive("--hidden-size", options.hidden_size);
  require_positive("--rows", options.rows);
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
  if (binary && isatty(STDOUT_FILENO) != 0)
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
  write_stdout(options.format == "json" ? pack_json(*pack, options.pack, bytes).dump(2) + "\n"
                                        : pack_text(*pack, options.pack, bytes));
  return 0;
}

int run(const Options& options) { return options.pack.empty() ? show_stage(options) : show_pack(options); }

}  // namespace

Action add_inspect(CLI::App& app) {
  auto options = std::make_shared<Options>();
  app.add_option("--emit", options->emit,
                 "program, plan, llvm, ptx, asm (the target's assembly), cubin (a file's bytes) or sass; the "
                 "last two "
                 "need the CUDA toolkit's tools")
      ->check(CLI::IsMember({"program", "plan", "llvm", "ptx", "asm", "cubin", "sass"}))
      ->capture_default_str();
  app.add_option("--program", options->program,
                 "lm_head_sample, sample_logits, greedy_argmax, gemm, row_statistics, cross_entropy, or a "
                 "file with a "
                 "Program's text")
      ->capture_default_str();
  app.add_option("--target", options->target, "host, host:CPU (LLVM's name), sm_80, sm_90a, ...")
      ->capture_default_str();
  app.add_option("--schedule", options->schedule, "instead of the built-in choice");
  app.add_option("--pack", options->pack, "list this pack's contents instead");
  app.add_option("--format", options->format, "with --pack: table or json")
      ->check(CLI::IsMember({"table", "json"}))
      ->capture_default_str();
  app.add_option("--vocab-size", options->vocab_size, "columns")->capture_default_str();
  app.add_option("--hidden-size", options->hidden_size, "extent of the contraction")->capture_default_str();
  app.add_option("--rows", options->rows, "the largest batch to choose a schedule for")
      ->capture_default_str();
  app.add_option("--dtype", options->dtype, "of the weights: bf16, f16 or f32")->capture_default_str();
  app.add_option("--hidden-dtype", options->hidden_dtype,
                 "of the hidden states or logits (default: as --dtype)");
  app.add_option("--output-dtype", options->output_dtype, "of gemm's result")->capture_default_str();
  app.add_option("--noise", options->noise, "grouped or per_token")->capture_default_str();
  app.add_flag("--no-logprob", options->no_logprob, "without the log-probability");
  return [options] { return run(*options); };
}

}  // namespace gumtile::tools
