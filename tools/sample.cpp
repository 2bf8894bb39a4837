#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <optional>

#include "gumtile/lm_head.h"
#include "head/settings.h"
#include "tools/call_outputs.h"
#include "tools/command.h"
#include "tools/head_settings.h"
#include "tools/help.h"
#include "tools/open_engine.h"
#include "tools/options.h"
#include "tools/output.h"
#include "tools/requests.h"
#include "tools/sample_inputs.h"
#include "tools/units.h"
#include "tools/validators.h"

namespace gumtile::tools {
namespace {

struct Options {
  InputOptions inputs;
  Requests requests;
  std::string noise = "grouped";
  std::string device = "auto";
  std::string schedule;
  std::string pack;
  std::string format;
  bool timing = false;
  bool no_logprob = false;
};

/// An output's value in every row; empty if it was not requested.
struct Column {
  const head::Field* field;
  std::vector<double> values;
};
using Result = std::vector<Column>;

struct Timings {
  double prepare_ms = 0;  ///< everything before the first launch
  EngineStats engine;     ///< what it consisted of, summed over threads
  double first_launch_ms = 0;
  std::optional<Engine::Timing> launch;  ///< none if nothing was launched
};

void require_launched(Status status) {
  if (status != Status::ok)
    throw Error(status == Status::context_lost ? ErrorCode::context_lost : ErrorCode::internal,
                fmt::format("the launch failed: {}", name(status)));
}

Result sample_once(const std::shared_ptr<Engine>& engine, const LmHead& head, Features features,
                   const void* hidden_states, Requests& requests, size_t rows, Timings& timings) {
  const size_t workspace_bytes = head.workspace_bytes(static_cast<int64_t>(rows));
  const DeviceArray workspace(engine, workspace_bytes);
  SampleArgs args;
  args.rows = static_cast<int64_t>(rows);
  args.hidden_states = hidden_states;
  args.workspace = workspace.data();
  args.workspace_bytes = workspace_bytes;
  const CallOutputs outputs(engine, head.options(), features, args.rows, args);
  requests.bind(engine, args);
  require_launched(head.workspace_init(nullptr, args.workspace, workspace_bytes));

  const auto start = std::chrono::steady_clock::now();
  require_launched(head.sample(nullptr, args));
  engine->synchronize();
  timings.first_launch_ms = milliseconds_since(start);
  Result result;
  for (const head::Field& field : head::fields())
    if (field.kind == head::FieldKind::output && field.over == Over::rows)
      result.push_back({&field, outputs.read(field.name)});
  constexpr int kRepeats = 10;
  if (rows != 0)
    timings.launch =
        engine->time([&](StreamHandle stream) { return head.sample(stream, args); }, kRepeats, 1);
  return result;
}

/// The option that repeats a run whose seeds were drawn; empty if they were given or none was needed.
std::string seeds_text(const Requests& requests) {
  if (!requests.has_drawn_seeds() || !requests.is_random()) return "";
  constexpr size_t kMostOnALine = 256;
  const std::vector<uint64_t>& seeds = requests.seeds();
  if (seeds.size() > kMostOnALine)
    return fmt::format("{} seeds were drawn; --format json has them\n", seeds.size());
  return fmt::format("seeds were drawn; to repeat this run: --seed {}\n", fmt::join(seeds, ","));
}

Json timings_json(const Timings& timings) {
  Json json = {{"prepare_ms", rounded(timings.prepare_ms, 3)},
               {"kernels", timings.engine.loads},
               {"compiles", timings.engine.compiles},
               {"ready_made", timings.engine.ready_made},
               {"cache_hits", timings.engine.cache_hits},
               {"compile_ms", rounded(timings.engine.compile_ms, 3)},
               {"cache_ms", rounded(timings.engine.cache_ms, 3)},
               {"load_ms", rounded(timings.engine.load_ms, 3)},
               {"first_launch_ms", rounded(timings.first_launch_ms, 3)},
               {"launch_us", nullptr}};
  if (timings.launch)
    json["launch_us"] = {{"median", rounded(timings.launch->median_us, 3)},
                         {"p5", rounded(timings.launch->p5_us, 3)},
                         {"p95", rounded(timings.launch->p95_us, 3)}};
  return json;
}

bool is_fraction(const Column& column) { return column.field->type == head::FieldType::f32; }

Json cell_json(const Column& column, size_t row) {
  if (column.values.empty()) return nullptr;
  const double value = column.values[row];
  if (column.field->name == "status") return status_names(static_cast<uint32_t>(value));
  if (is_fraction(column)) return number_or_null(static_cast<float>(value));
  return static_cast<int64_t>(value);
}

std::string cell_text(const Column& column, size_t row) {
  if (column.values.empty()) return "-";
  const double value = column.values[row];
  if (column.field->name == "status") {
    const std::vector<std::string> names = status_names(static_cast<uint32_t>(value));
    return names.empty() ? "ok" : fmt::format("{}", fmt::join(names, ","));
  }
  return is_fraction(column) ? fmt::format("{:.6f}", value) : fmt::format("{:.0f}", value);
}

Json rows_json(const Result& result, const Requests& requests, size_t count) {
  Json rows = Json::array();
  for (size_t row = 0; row < count; ++row) {
    if (!requests.is_active(row)) continue;
    Json json = {{"row", row}, {"seed", requests.seed_of(row)}};
    for (const Column& column : result) json[std::string(column.field->name)] = cell_json(column, row);
    rows.push_back(json);
  }
  return rows;
}

std::string rows_text(const Result& result, const Requests& requests, size_t count) {
  Table table{{"row"}, {}};
  for (const Column& column : result) table.header.emplace_back(column.field->name);
  for (size_t row = 0; row < count; ++row) {
    if (!requests.is_active(row)) continue;
    std::vector<std::string>& cells = table.rows.emplace_back(1, std::to_string(row));
    for (const Column& column : result) cells.push_back(cell_text(column, row));
  }
  return to_text(table);
}

int run(Options& options) {
  Requests& requests = options.requests;
  requests.parse();
  LmHeadOptions head_options;
  head_options.noise = parse_noise("--noise", options.noise);
  const Features features =
      requests.features() | (options.no_logprob ? kNoFeatures : Features{feature_logprob});
  if (!options.schedule.empty()) head_options.schedule = Schedule::parse(options.schedule);
  const SampleInputs inputs = open_inputs(options.inputs);
  const auto rows = static_cast<size_t>(inputs.rows);
  requests.spread_over(rows);
  head_options.vocab_size = inputs.vocab_size;
  head_options.first_token = inputs.first_token;
  head_options.hidden_size = inputs.hidden_size;
  head_options.hidden_dtype = inputs.hidden_dtype;
  head_options.weights_dtype = inputs.weights_dtype;

  const std::shared_ptr<Engine> engine = open_engine(options.device, options.pack);
  const PlacedMatrix weights = place_weights(engine, inputs);
  const PlacedMatrix hidden_states = place_hidden_states(engine, inputs);

  const PlacedSettings settings = place_settings(engine, inputs);
  head_options.settings = settings.settings;

  LmHead head(engine, head_options, weights.data);
  Timings timings;
  const auto start = std::chrono::steady_clock::now();
  head.prepare(std::max<int64_t>(inputs.rows, 1), {features});
  timings.prepare_ms = milliseconds_since(start);
  timings.engine = engine->stats();
  const Result result = sample_once(engine, head, features, hidden_states.data, requests, rows, timings);
  inputs.expect_whole_files();

  const KernelArtifact& artifact = head.kernel_for(std::max<int64_t>(inputs.rows, 1), features)->artifact();
  const DeviceDescription& device = engine->device();
  if (options.format == "json") {
    const Json json = {{"device", device.id},
                       {"device_name", device.name},
                       {"target", artifact.target},
                       {"schedule", artifact.schedule},
                       {"noise", name(head_options.noise)},
                       {"weights", origin_json(inputs.weights)},
                       {"hidden_states", origin_json(inputs.hidden_states)},
                       {"first_token", inputs.first_token},
                       {"vocab_size", inputs.vocab_size},
                       {"hidden_size", inputs.hidden_size},
                       {"weights_dtype", name(inputs.weights_dtype)},
                       {"hidden_dtype", name(inputs.hidden_dtype)},
                       {"settings", head::settings_text(head_options.settings)},
                       {"seeds", requests.seeds()},
                       {"seeds_drawn", requests.has_drawn_seeds()},
                       {"timings", timings_json(timings)},
                       {"rows", rows_json(result, requests, rows)}};
    write_stdout(json_text(json));
    return 0;
  }
  std::string text = rows_text(result, requests, rows);
  text += seeds_text(requests);
  if (inputs.weights) text += fmt::format("head: {}\n", describe(*inputs.weights));
  text += fmt::format("{} of {} x {}{}{} on {} ({}), {}, schedule {}\n", count_text(inputs.rows, "row"),
                      inputs.vocab_size, inputs.hidden_size, with_settings(head_options.settings),
                      timings.launch ? " in " + duration_text(timings.launch->median_us) : "", device.id,
                      device.name, artifact.target, artifact.schedule);
  if (options.timing)
    text += fmt::format(
        "prepared {} in {}: {} compiled in {}, {} from the cache in {}, loaded in {}; first "
        "launch {}\n",
        count_text(timings.engine.loads, "kernel"), duration_text(1e3 * timings.prepare_ms),
        timings.engine.compiles, duration_text(1e3 * timings.engine.compile_ms), timings.engine.cache_hits,
        duration_text(1e3 * timings.engine.cache_ms), duration_text(1e3 * timings.engine.load_ms),
        duration_text(1e3 * timings.first_launch_ms));
  write_stdout(text);
  return 0;
}

}  // namespace

Action add_sample(CLI::App& app) {
  auto options = std::make_shared<Options>();
  InputOptions& inputs = options->inputs;
  add_text(
      app, "--weights", inputs.weights, "FILE[:TENSOR]",
      "LM head [vocab, hidden]: a .safetensors file, an index of shards, a model's folder, or .npy. Without "
      "TENSOR: lm_head.weight, else the embedding it is tied to, as config.json has it");
  add_text(app, "--hidden-states", inputs.hidden_states, "FILE[:TENSOR]", "hidden states [rows, hidden]");
  app.add_flag("--npy-u16-is-bf16", inputs.npy_u16_is_bf16, "read .npy files of 16-bit words as bf16");
  add_text(
      app, "--synthetic", inputs.synthetic, "VxK[xB]",
      "pseudo-random weights and hidden states of so many tokens, hidden units and rows instead of files");
  add_matrix_dtype(app, "--dtype", inputs.dtype, "type of synthetic weights (default: bf16)");
  add_matrix_dtype(app, "--hidden-dtype", inputs.hidden_dtype,
                   "type of synthetic hidden states (default: as the weights)");
  add_integer(
      app, "--vocab-size", inputs.vocab_size,
      "rows of the head that are sampled from (default: all but those that config.json makes padding)");
  add_integer(app, "--first-token", inputs.first_token,
              "the first of these rows; the tokens before it do not exist for the head", 0);
  options->requests.add_options(app);
  add_settings(app, inputs.settings, ArrayValue::file);
  add_noise(app, options->noise);
  add_device(app, options->device);
  add_text(app, "--schedule", options->schedule, "SCHEDULE",
           "e.g. host:b4,v256 or mma_sync:b64,v256,stages=4,warps=2x4,copy=16");
  add_pack(app, options->pack);
  add_format(app, options->format, {"table", "json"});
  app.add_flag("--timing", options->timing, "also show what compiling, loading and the first launch took");
  app.add_flag("--no-logprob", options->no_logprob,
               "tokens only, which is faster: hopeless tokens are skipped");
  app.footer(examples({"gumtile sample --synthetic 32000x1024x4",
                       "gumtile sample --weights path/to/model --hidden-states hidden.npy --temperature 0.8",
                       "gumtile sample --weights model.safetensors:lm_head.weight --hidden-states hidden.npy "
                       "--seed 1,2 --format json"}));
  return [options] { return run(*options); };
}

}  // namespace gumtile::tools
