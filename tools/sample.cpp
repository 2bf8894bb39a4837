#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <numeric>
#include <optional>

#include "gumtile/lm_head.h"
#include "tools/command.h"
#include "tools/help.h"
#include "tools/open_engine.h"
#include "tools/options.h"
#include "tools/output.h"
#include "tools/sample_inputs.h"
#include "tools/seeds.h"
#include "tools/units.h"
#include "tools/validators.h"

namespace gumtile::tools {
namespace {

struct Options {
  InputOptions inputs;
  std::string temperature = "1";
  std::string seed;
  std::string offset = "0";
  std::string row_slot;
  std::string noise = "grouped";
  std::string device = "auto";
  std::string schedule;
  std::string pack;
  std::string format;
  bool timing = false;
  bool no_logprob = false;
};

/// What the rows ask for: temperature and seed over slots, the others over rows.
struct Requests {
  std::vector<float> temperature;
  std::vector<uint64_t> seed;
  bool has_drawn_seeds = false;
  std::vector<uint64_t> offset;
  std::vector<int32_t> row_slot;
};

Requests parse_requests(const Options& options) {
  Requests requests;
  requests.temperature = parse_temperatures("--temperature", options.temperature);
  if (!options.seed.empty()) requests.seed = parse_u64_list("--seed", options.seed);
  requests.offset = parse_u64_list("--offset", options.offset);
  if (!options.row_slot.empty()) requests.row_slot = parse_i32_list("--row-slot", options.row_slot);
  return requests;
}

/// Gives every row and slot its values; seeds that were not given are drawn.
void spread_requests(Requests& requests, size_t rows) {
  size_t slots = rows;
  const char* what = "rows";
  if (!requests.row_slot.empty()) {
    constexpr int32_t kMaxSlots = 1 << 20;
    requests.row_slot = spread("--row-slot", requests.row_slot, rows, "rows");
    const int32_t last = std::accumulate(requests.row_slot.begin(), requests.row_slot.end(), int32_t{0},
                                         [](int32_t a, int32_t b) { return std::max(a, b); });
    if (last >= kMaxSlots)
      throw Error(ErrorCode::usage,
                  fmt::format("--row-slot: slot {} is beyond the {} slots there can be", last, kMaxSlots));
    slots = std::max({static_cast<size_t>(last) + 1, requests.temperature.size(), requests.seed.size()});
    what = "slots";
  }
  requests.temperature = spread("--temperature", requests.temperature, slots, what);
  requests.has_drawn_seeds = requests.seed.empty();
  requests.seed = requests.has_drawn_seeds ? draw_seeds(slots) : spread("--seed", requests.seed, slots, what);
  requests.offset = spread("--offset", requests.offset, rows, "rows");
}

struct Result {
  std::vector<int32_t> token;
  std::vector<float> logprob;  ///< empty where not asked for
  std::vector<uint32_t> status;
};

struct Timings {
  double prepare_ms = 0;  ///< all that comes before the first launch
  EngineStats engine;     ///< what it consisted of, summed over threads
  double first_launch_ms = 0;
  std::optional<Engine::Timing> launch;  ///< none where nothing was launched
};

void require_launched(Status status) {
  if (status != Status::ok)
    throw Error(status == Status::context_lost ? ErrorCode::context_lost : ErrorCode::internal,
                fmt::format("the launch failed: {}", name(status)));
}

Result sample_once(const std::shared_ptr<Engine>& engine, const LmHead& head, Features features,
                   const void* hidden_states, const Requests& requests, size_t rows, Timings& timings) {
  const DeviceArray temperature = DeviceArray::of(engine, requests.temperature);
  const DeviceArray seed = DeviceArray::of(engine, requests.seed);
  const DeviceArray offset = DeviceArray::of(engine, requests.offset);
  const DeviceArray row_slot = DeviceArray::of(engine, requests.row_slot);
  const DeviceArray token = DeviceArray::of(engine, std::vector<int32_t>(rows, -1));
  const DeviceArray logprob = DeviceArray::of(engine, std::vector<float>(rows, 0));
  const DeviceArray status = DeviceArray::of(engine, std::vector<uint32_t>(rows, 0));
  const size_t workspace_bytes = head.workspace_bytes(static_cast<int64_t>(rows));
  const DeviceArray workspace(engine, workspace_bytes);

  SampleArgs args;
  args.rows = static_cast<int64_t>(rows);
  args.hidden_states = hidden_states;
  args.row_slot = requests.row_slot.empty() ? nullptr : row_slot.as<int32_t>();
  args.temperature = temperature.as<float>();
  args.seed = seed.as<uint64_t>();
  args.offset = offset.as<uint64_t>();
  args.token = token.as<int32_t>();
  args.logprob = (features & feature_logprob) != 0 ? logprob.as<float>() : nullptr;
  args.status = status.as<uint32_t>();
  args.workspace = workspace.data();
  args.workspace_bytes = workspace_bytes;
  require_launched(head.workspace_init(nullptr, args.workspace, workspace_bytes));

  const auto start = std::chrono::steady_clock::now();
  require_launched(head.sample(nullptr, args));
  engine->synchronize();
  timings.first_launch_ms = milliseconds_since(start);
  Result result{token.read<int32_t>(rows), {}, status.read<uint32_t>(rows)};
  if ((features & feature_logprob) != 0) result.logprob = logprob.read<float>(rows);
  constexpr int kRepeats = 10;
  if (rows != 0)
    timings.launch =
        engine->time([&](StreamHandle stream) { return head.sample(stream, args); }, kRepeats, 1);
  return result;
}

/// Rows of no slot are not sampled, hence not reported.
bool is_active(const Requests& requests, size_t row) {
  return requests.row_slot.empty() || requests.row_slot[row] >= 0;
}

uint64_t seed_of(const Requests& requests, size_t row) {
  return requests.seed[requests.row_slot.empty() ? row : static_cast<size_t>(requests.row_slot[row])];
}

/// The option that repeats a run whose seeds were drawn; empty if they were given or none was needed.
std::string seeds_text(const Requests& requests) {
  const bool is_random = std::ranges::any_of(requests.temperature, [](float t) { return t > 0; });
  if (!requests.has_drawn_seeds || !is_random) return "";
  constexpr size_t kMostOnALine = 256;
  if (requests.seed.size() > kMostOnALine)
    return fmt::format("{} seeds were drawn; --format json has them\n", requests.seed.size());
  return fmt::format("seeds were drawn; to repeat this run: --seed {}\n", fmt::join(requests.seed, ","));
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

Json rows_json(const Result& result, const Requests& requests) {
  Json rows = Json::array();
  for (size_t row = 0; row < result.token.size(); ++row) {
    if (!is_active(requests, row)) continue;
    rows.push_back({{"row", row},
                    {"seed", seed_of(requests, row)},
                    {"token", result.token[row]},
                    {"logprob", result.logprob.empty() ? Json(nullptr) : number_or_null(result.logprob[row])},
                    {"status", status_names(result.status[row])}});
  }
  return rows;
}

std::string rows_text(const Result& result, const Requests& requests) {
  Table table{{"row", "token", "logprob", "status"}, {}};
  for (size_t row = 0; row < result.token.size(); ++row) {
    if (!is_active(requests, row)) continue;
    const std::vector<std::string> names = status_names(result.status[row]);
    table.rows.push_back({std::to_string(row), std::to_string(result.token[row]),
                          result.logprob.empty() ? "-" : fmt::format("{:.6f}", result.logprob[row]),
                          names.empty() ? "ok" : fmt::format("{}", fmt::join(names, ","))});
  }
  return to_text(table);
}

int run(const Options& options) {
  Requests requests = parse_requests(options);
  LmHeadOptions head_options;
  head_options.noise = parse_noise("--noise", options.noise);
  const Features features = options.no_logprob ? kNoFeatures : Features{feature_logprob};
  if (!options.schedule.empty()) head_options.schedule = Schedule::parse(options.schedule);
  const SampleInputs inputs = open_inputs(options.inputs);
  spread_requests(requests, static_cast<size_t>(inputs.rows));
  head_options.vocab_size = inputs.vocab_size;
  head_options.first_token = inputs.first_token;
  head_options.hidden_size = inputs.hidden_size;
  head_options.hidden_dtype = inputs.hidden_dtype;
  head_options.weights_dtype = inputs.weights_dtype;

  const std::shared_ptr<Engine> engine = open_engine(options.device, options.pack);
  const PlacedMatrix weights = place_weights(engine, inputs);
  const PlacedMatrix hidden_states = place_hidden_states(engine, inputs);

  LmHead head(engine, head_options, weights.data);
  Timings timings;
  const auto start = std::chrono::steady_clock::now();
  head.prepare(std::max<int64_t>(inputs.rows, 1), {features});
  timings.prepare_ms = milliseconds_since(start);
  timings.engine = engine->stats();
  const Result result = sample_once(engine, head, features, hidden_states.data, requests,
                                    static_cast<size_t>(inputs.rows), timings);
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
                       {"seeds", requests.seed},
                       {"seeds_drawn", requests.has_drawn_seeds},
                       {"timings", timings_json(timings)},
                       {"rows", rows_json(result, requests)}};
    write_stdout(json_text(json));
    return 0;
  }
  std::string text = rows_text(result, requests);
  text += seeds_text(requests);
  if (inputs.weights) text += fmt::format("head: {}\n", describe(*inputs.weights));
  text += fmt::format("{} of {} x {}{} on {} ({}), {}, schedule {}\n", count_text(inputs.rows, "row"),
                      inputs.vocab_size, inputs.hidden_size,
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
  add_text(app, "--temperature", options->temperature, "T,...",
           "one for all rows, or one per row; 0: the most likely token");
  add_text(
      app, "--seed", options->seed, "N,...",
      "one for all rows, or one per row (default: one is drawn for each row, and shown). Rows with the same "
      "seed and offset share their noise: from equal hidden states they give the same token")
      ->check(not_empty("a seed per row, or one for all"));
  add_text(app, "--offset", options->offset, "N,...",
           "position in the request: one for all rows, or one per row");
  add_text(app, "--row-slot", options->row_slot, "N,...",
           "the slot whose temperature and seed a row takes; negative: the row is left out");
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
