#include "tools/tune/output.h"

#include <fmt/format.h>

#include <algorithm>

#include "head/fields.h"
#include "tools/head_settings.h"
#include "tools/units.h"

namespace gumtile::tools {

double read_floor_us(const ProblemResult& result) {
  if (result.floor.bytes_per_second == 0) return 0;
  const MeasuredHead& head = result.problem.head;
  const double elements = static_cast<double>(head.vocab_size) * static_cast<double>(head.hidden_size);
  return 1e6 * elements * static_cast<double>(size_bytes(head.weights_dtype)) / result.floor.bytes_per_second;
}

const TuningCandidate* find_candidate(const TuningRecord& record, const std::string& schedule) {
  const auto found = std::find_if(record.candidates.begin(), record.candidates.end(),
                                  [&](const TuningCandidate& c) { return c.schedule == schedule; });
  return found == record.candidates.end() ? nullptr : &*found;
}

size_t count_measured(const TuningRecord& record) {
  return static_cast<size_t>(std::count_if(record.candidates.begin(), record.candidates.end(),
                                           [](const TuningCandidate& c) { return c.median_us > 0; }));
}

Gain gain_of(const TuningRecord& record) {
  const TuningCandidate* built_in = find_candidate(record, record.heuristic);
  const TuningCandidate* winner = find_candidate(record, record.winner);
  if (built_in == nullptr || winner == nullptr || built_in->median_us == 0) return {};
  Gain gain{built_in->median_us, winner->median_us, winner->of_built_in, winner->spread};
  if (gain.of_built_in == 0) gain.of_built_in = gain.winner_us / gain.built_in_us;
  return gain;
}

std::string choice_text(const TuningRecord& record) {
  if (record.winner != record.heuristic) return record.winner;
  return fmt::format("{} ({})", record.winner, record.note.empty() ? "built-in" : "too noisy: built-in kept");
}

std::string problem_title(const ProblemResult& result) {
  const MeasuredHead& head = result.problem.head;
  std::string title = fmt::format("{} ({}), {} x {}", result.device.name, result.device.id, head.vocab_size,
                                  head.hidden_size);
  if (head.first_token != 0) title += fmt::format(" from token {}", head.first_token);
  return title + fmt::format(", weights {}, hidden states {}, {}{}, {}", name(head.weights_dtype),
                             name(head.hidden_dtype), name(head.noise), with_settings(head.settings),
                             head.features == kNoFeatures
                                 ? "token"
                                 : "token and " + head::feature_set_name(head.features));
}

namespace {

Json bucket_json(const BucketResult& bucket) {
  if (!bucket.fault.empty())
    return {{"batch", bucket.record.key.problem.max_rows}, {"fault", bucket.fault}, {"record", nullptr}};
  return {{"batch", bucket.record.key.problem.max_rows},
          {"path", bucket.path.empty() ? Json() : Json(bucket.path.string())},
          {"chooses", bucket.chooses && !bucket.path.empty()},
          {"resumed", bucket.resumed},
          {"record", Json::parse(tuning_record_text(bucket.record))}};
}

std::string to_json(const TuneResult& result, const ModelHead& origin) {
  Json problems = Json::array();
  for (const ProblemResult& problem : result.problems) {
    Json buckets = Json::array();
    for (const BucketResult& bucket : problem.buckets) buckets.push_back(bucket_json(bucket));
    problems.push_back({{"head", head_json(problem.problem.head)},
                        {"also_first_tokens", problem.problem.also_first_tokens},
                        {"device", device_json(problem.device)},
                        {"read_floor_us", rounded(read_floor_us(problem), 3)},
                        {"buckets", buckets}});
  }
  return json_text(
      {{"interrupted", result.signal != 0}, {"head", origin_json(origin)}, {"problems", problems}});
}

std::vector<std::string> bucket_row(const ProblemResult& problem, const BucketResult& bucket) {
  const TuningRecord& record = bucket.record;
  const std::string batch = std::to_string(record.key.problem.max_rows);
  if (!bucket.fault.empty()) return {batch, "", "", "", "", "", "", bucket.fault};
  const Gain gain = gain_of(record);
  const double floor = read_floor_us(problem);
  return {batch,
          duration_text(gain.built_in_us),
          duration_text(gain.winner_us),
          fmt::format("{:.3f}", gain.of_built_in),
          fmt::format("{:.3f}", gain.spread),
          floor == 0 ? "" : fmt::format("{:.3f}", gain.winner_us / floor),
          fmt::format("{}/{}", count_measured(record), record.candidates.size()),
          choice_text(record)};
}

}  // namespace

std::string render_tuning(const TuneResult& result, const ModelHead& origin, const std::string& format) {
  if (format == "json") return to_json(result, origin);
  std::string text;
  for (const ProblemResult& problem : result.problems) {
    if (problem.buckets.empty()) continue;  // interrupted before the first was done
    Table table{{"batch", "built-in", "tuned", "of built-in", "+-", "of read floor", "measured", "schedule"},
                {}};
    for (const BucketResult& bucket : problem.buckets) table.rows.push_back(bucket_row(problem, bucket));
    if (!text.empty()) text += "\n";
    text += fmt::format("{}\n{}", problem_title(problem), format == "md" ? "\n" : "");
    text += format == "md" ? to_markdown(table) : to_text(table);
  }
  return text + origin_text(origin);
}

}  // namespace gumtile::tools
