#include "tools/tune/output.h"

#include <fmt/format.h>

#include <algorithm>

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

std::string problem_title(const ProblemResult& result) {
  const MeasuredHead& head = result.problem.head;
  std::string title = fmt::format("{} ({}), {} x {}", result.device.name, result.device.id, head.vocab_size,
                                  head.hidden_size);
  if (head.first_token != 0) title += fmt::format(" from token {}", head.first_token);
  return title + fmt::format(", weights {}, hidden states {}, {}, {}", name(head.weights_dtype),
                             name(head.hidden_dtype), name(head.noise),
                             head.logprob ? "token and log-probability" : "token");
}

namespace {

Json bucket_json(const BucketResult& bucket) {
  if (!bucket.fault.empty())
    return {{"batch", bucket.record.key.problem.max_rows}, {"fault", bucket.fault}, {"record", nullptr}};
  return {{"batch", bucket.record.key.problem.max_rows},
          {"path", bucket.path.string()},
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
  Json json = {{"interrupted", result.interrupted}, {"head", origin_json(origin)}, {"problems", problems}};
  return json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::vector<std::string> bucket_row(const ProblemResult& problem, const BucketResult& bucket) {
  const TuningRecord& record = bucket.record;
  const std::string batch = std::to_string(record.key.problem.max_rows);
  if (!bucket.fault.empty()) return {batch, "", "", "", "", "", bucket.fault};
  const double before = find_candidate(record, record.heuristic)->median_us;
  const double after = find_candidate(record, record.winner)->median_us;
  const double floor = read_floor_us(problem);
  return {batch,
          fmt::format("{:.1f}", before),
          fmt::format("{:.1f}", after),
          fmt::format("{:.3f}", after / before),
          floor == 0 ? "" : fmt::format("{:.3f}", after / floor),
          fmt::format("{}/{}", count_measured(record), record.candidates.size()),
          record.winner == record.heuristic ? record.winner + " (built-in)" : record.winner};
}

}  // namespace

std::string render_tuning(const TuneResult& result, const ModelHead& origin, const std::string& format) {
  if (format == "json") return to_json(result, origin);
  std::string text;
  for (const ProblemResult& problem : result.problems) {
    Table table{{"batch", "built-in us", "tuned us", "of built-in", "of read floor", "measured", "schedule"},
                {}};
    for (const BucketResult& bucket : problem.buckets) table.rows.push_back(bucket_row(problem, bucket));
    if (!text.empty()) text += "\n";
    text += fmt::format("{}\n{}", problem_title(problem), format == "md" ? "\n" : "");
    text += format == "md" ? to_markdown(table) : to_text(table);
  }
  return text + origin_text(origin);
}

}  // namespace gumtile::tools
