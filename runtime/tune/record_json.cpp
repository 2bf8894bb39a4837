#include "runtime/tune/record_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "gumtile/error.h"
#include "runtime/io/fault.h"
#include "runtime/io/strict_json.h"
#include "runtime/tune/digests_0_1.h"

namespace gumtile {
namespace {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

constexpr const char* kFormat = "gumtile tuning 2";
/// The format of gumtile 0.1, which has a Program's digest instead of its class.
constexpr const char* kFormat01 = "gumtile tuning 1";

/// One object of a record: every member must be read exactly as named, and none may be left.
class Members {
 public:
  Members(const Json& object, const std::string& source, std::string where)
      : object_(object), source_(source), where_(std::move(where)) {
    if (!object.is_object()) fail("is not an object");
    for (const auto& [name, value] : object.items()) unread_.insert(name);
  }

  const Json& get(const std::string& name) {
    const auto found = object_.find(name);
    if (found == object_.end()) fail(fmt::format("lacks '{}'", name));
    unread_.erase(name);
    return *found;
  }

  bool has(const std::string& name) const { return object_.contains(name); }

  std::string text(const std::string& name) {
    const Json& value = get(name);
    if (!value.is_string()) fail(fmt::format("'{}' is not a text", name));
    return value.get<std::string>();
  }

  int64_t integer(const std::string& name, int64_t least, int64_t most) {
    const Json& value = get(name);
    const bool fits = value.is_number_unsigned() ? value.get<uint64_t>() <= static_cast<uint64_t>(INT64_MAX)
                                                 : value.is_number_integer();
    if (!fits || value.get<int64_t>() < least || value.get<int64_t>() > most)
      fail(fmt::format("'{}' is not an integer from {} to {}", name, least, most));
    return value.get<int64_t>();
  }

  double time(const std::string& name) { return number(name, "a time in microseconds"); }
  double ratio(const std::string& name) { return number(name, "a ratio"); }

  std::string schedule(const std::string& name) {
    const std::string value = text(name);
    try {
      if (Schedule::parse(value).str() != value) fail(fmt::format("'{}' is not written out in full", name));
    } catch (const Error& error) {
      if (error.code() == ErrorCode::bad_data) throw;
      fail(fmt::format("'{}' is not a schedule: {}", name, error.what()));
    }
    return value;
  }

  void end() {
    if (!unread_.empty()) fail(fmt::format("has the unknown member '{}'", *unread_.begin()));
  }

  [[noreturn]] void fail(const std::string& fault) const {
    io::bad_file(source_, "not a tuning record: {} {}", where_, fault);
  }

 private:
  double number(const std::string& name, std::string_view what) {
    const Json& value = get(name);
    if (!value.is_number() || !std::isfinite(value.get<double>()) || value.get<double>() < 0)
      fail(fmt::format("'{}' is not {}", name, what));
    return value.get<double>();
  }

  const Json& object_;
  const std::string& source_;
  std::string where_;
  std::set<std::string> unread_;
};

Workload parse_workload(const std::string& text, const Members& members) {
  const std::optional<Workload> workload = Workload::parse(text);
  if (!workload) members.fail(fmt::format("'workload' is not a class of Programs: {}", in_quotes(text)));
  return *workload;
}

Workload convert_digest(const std::string& digest, const std::string& source) {
  const std::optional<Workload> workload = tune::workload_of_digest(digest);
  if (!workload)
    io::bad_file(source,
                 "is a record of gumtile 0.1 for a Program with the digest {}, which is none of its heads; "
                 "run 'gumtile tune' again and remove this record",
                 in_quotes(digest));
  return *workload;
}

constexpr int64_t kMost = int64_t{1} << 40;

Problem parse_problem(const Json& json, const std::string& source) {
  Members members(json, source, "the problem");
  Problem problem;
  problem.columns = members.integer("columns", 1, kMost);
  problem.contracted = members.integer("contracted", 0, kMost);
  problem.max_rows = members.integer("max_rows", 1, kMost);
  problem.weights_alignment = static_cast<int>(members.integer("weights_alignment", 1, 16));
  problem.first_column = members.integer("first_column", 0, kMost);
  members.end();
  return problem;
}

std::vector<int64_t> parse_columns(const Json& json, const Members& members) {
  std::vector<int64_t> columns;
  if (!json.is_array()) members.fail("'also_first_columns' is not a list");
  for (const Json& column : json) {
    if (!column.is_number_unsigned() || column.get<uint64_t>() > static_cast<uint64_t>(kMost))
      members.fail("'also_first_columns' has something that is not a column");
    columns.push_back(column.get<int64_t>());
  }
  return columns;
}

TuningCandidate parse_candidate(const Json& json, const std::string& source, size_t index) {
  Members members(json, source, fmt::format("candidate {}", index));
  TuningCandidate candidate;
  candidate.schedule = members.schedule("schedule");
  candidate.median_us = members.time("median_us");
  candidate.p5_us = members.time("p5_us");
  candidate.p95_us = members.time("p95_us");
  candidate.rejected = members.text("rejected");
  // Records of gumtile 0.1 do not have these.
  if (members.has("rounds")) candidate.rounds = static_cast<int>(members.integer("rounds", 0, INT32_MAX));
  if (members.has("of_built_in")) candidate.of_built_in = members.ratio("of_built_in");
  if (members.has("spread")) candidate.spread = members.ratio("spread");
  if (members.has("run")) candidate.run = members.text("run");
  members.end();
  return candidate;
}

/// Checks a record beyond its members' types.
void check(const TuningRecord& record, const Members& members) {
  const auto find = [&](const std::string& schedule) {
    return std::find_if(record.candidates.begin(), record.candidates.end(),
                        [&](const TuningCandidate& c) { return c.schedule == schedule; });
  };
  std::set<std::string> seen;
  for (const TuningCandidate& candidate : record.candidates)
    if (!seen.insert(candidate.schedule).second)
      members.fail(fmt::format("has two candidates '{}'", candidate.schedule));
  if (find(record.heuristic) == record.candidates.end())
    members.fail("has a heuristic that is not one of its candidates");
  if (record.winner.empty() && !record.complete) return;
  const auto winner = find(record.winner);
  if (winner == record.candidates.end()) members.fail("has a winner that is not one of its candidates");
  if (!winner->rejected.empty() || winner->median_us <= 0)
    members.fail("has a winner that was rejected or not measured");
}

OrderedJson candidate_json(const TuningCandidate& c) {
  OrderedJson json = {{"schedule", c.schedule},
                      {"median_us", c.median_us},
                      {"p5_us", c.p5_us},
                      {"p95_us", c.p95_us},
                      {"rejected", c.rejected}};
  if (c.rounds != 0) json["rounds"] = c.rounds;
  if (c.of_built_in != 0) json["of_built_in"] = c.of_built_in;
  if (c.spread != 0) json["spread"] = c.spread;
  if (!c.run.empty()) json["run"] = c.run;
  return json;
}

}  // namespace

std::string tuning_record_text(const TuningRecord& record) {
  const Problem& p = record.key.problem;
  OrderedJson candidates = OrderedJson::array();
  for (const TuningCandidate& c : record.candidates) candidates.push_back(candidate_json(c));
  OrderedJson json = {
      {"format", kFormat},
      {"device",
       {{"name", record.key.device_name},
        {"workers", record.key.workers},
        {"memory_class", record.key.memory_class}}},
      {"target", record.key.target},
      {"workload", record.key.workload.str()},
      {"problem",
       {{"columns", p.columns},
        {"contracted", p.contracted},
        {"max_rows", p.max_rows},
        {"weights_alignment", p.weights_alignment},
        {"first_column", p.first_column}}},
      {"complete", record.complete},
      {"winner", record.winner},
      {"heuristic", record.heuristic},
      {"measured_first_column", record.measured_first_column},
      {"versions",
       {{"gumtile", record.gumtile_version}, {"compiler", record.compiler}, {"driver", record.driver}}},
      {"date", record.date},
      {"candidates", candidates}};
  if (!record.note.empty()) json["note"] = record.note;
  if (!record.also_first_columns.empty()) json["also_first_columns"] = record.also_first_columns;
  // A device's name may have any bytes.
  return json.dump(1, ' ', false, OrderedJson::error_handler_t::replace) + "\n";
}

TuningRecord parse_tuning_record(std::string_view text, const std::string& source) {
  return tune::read_tuning_record(text, source).record;
}

tune::ReadRecord tune::read_tuning_record(std::string_view text, const std::string& source) {
  const Json json = io::parse_strict_json(text, source, "the tuning record");
  Members members(json, source, "it");
  const std::string format = members.text("format");
  const bool is_of_0_1 = format == kFormat01;
  if (format != kFormat && !is_of_0_1)
    members.fail(fmt::format("has format {}, expected '{}' or '{}'", in_quotes(format), kFormat, kFormat01));

  TuningRecord record;
  Members device(members.get("device"), source, "the device");
  record.key.device_name = device.text("name");
  record.key.workers = static_cast<int>(device.integer("workers", 0, INT32_MAX));
  record.key.memory_class = static_cast<int>(device.integer("memory_class", 0, INT32_MAX));
  device.end();
  record.key.target = members.text("target");
  record.key.workload = is_of_0_1 ? convert_digest(members.text("program"), source)
                                  : parse_workload(members.text("workload"), members);
  record.key.problem = parse_problem(members.get("problem"), source);
  const Json& complete = members.get("complete");
  if (!complete.is_boolean()) members.fail("'complete' is neither true nor false");
  record.complete = complete.get<bool>();
  record.winner =
      record.complete || !members.text("winner").empty() ? members.schedule("winner") : std::string();
  record.heuristic = members.schedule("heuristic");
  record.measured_first_column = members.integer("measured_first_column", 0, kMost);
  if (members.has("also_first_columns"))
    record.also_first_columns = parse_columns(members.get("also_first_columns"), members);
  Members versions(members.get("versions"), source, "'versions'");
  record.gumtile_version = versions.text("gumtile");
  record.compiler = versions.text("compiler");
  record.driver = versions.text("driver");
  versions.end();
  record.date = members.text("date");
  if (members.has("note")) record.note = members.text("note");
  const Json& candidates = members.get("candidates");
  if (!candidates.is_array()) members.fail("'candidates' is not a list");
  for (const Json& candidate : candidates)
    record.candidates.push_back(parse_candidate(candidate, source, record.candidates.size()));
  members.end();
  check(record, members);
  return {std::move(record), is_of_0_1};
}

}  // namespace gumtile
