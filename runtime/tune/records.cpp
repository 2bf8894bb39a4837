#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <system_error>

#include "gumtile/error.h"
#include "gumtile/tuning.h"
#include "runtime/tune/shipped.h"

namespace gumtile {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kUser = "user record";
constexpr std::string_view kShipped = "shipped record";
constexpr std::string_view kPacked = "pack record";

/// A record is some kilobytes; what is larger is something else.
constexpr uintmax_t kMaxFileBytes = uintmax_t{8} << 20;

std::string device_text(const TuningKey& key) {
  return fmt::format("'{}' with {} workers and memory of class {}", key.device_name, key.workers,
                     key.memory_class);
}

/// What first keeps a record for `found` from being used for `wanted`.
std::string difference(const TuningKey& found, const TuningKey& wanted) {
  if (device_text(found) != device_text(wanted))
    return fmt::format("tuned on {}; this is {}", device_text(found), device_text(wanted));
  if (found.target != wanted.target)
    return fmt::format("for target '{}'; this is '{}'", found.target, wanted.target);
  if (found.program != wanted.program) return "for another Program (types, noise or outputs)";
  const Problem& a = found.problem;
  const Problem& b = wanted.problem;
  if (a.weights_alignment != b.weights_alignment)
    return fmt::format("for weights aligned to {} bytes; these are to {}", a.weights_alignment,
                       b.weights_alignment);
  return fmt::format("for a range from column {}; this one begins at {}", a.first_column, b.first_column);
}

/// The JSON files of a folder, by name.
std::vector<fs::path> json_files(const fs::path& folder, std::string& fault) {
  std::vector<fs::path> files;
  std::error_code error;
  for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error))
    if (entry->path().extension() == ".json") files.push_back(entry->path());
  if (error && error != std::errc::no_such_file_or_directory) fault = error.message();
  std::sort(files.begin(), files.end());
  return files;
}

/// Throws Error(io) where a file cannot be read or is not a record by its size.
std::string read_file(const fs::path& path) {
  std::error_code error;
  const bool is_file = fs::is_regular_file(path, error);
  const uintmax_t bytes = is_file ? fs::file_size(path, error) : 0;
  if (!is_file || error || bytes > kMaxFileBytes)
    throw Error(ErrorCode::io, fmt::format("'{}': not a file of a record's size", path.string()));
  std::ifstream in(path, std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  if (in.bad() || !in.is_open())
    throw Error(ErrorCode::io, fmt::format("'{}': cannot be read", path.string()));
  return text;
}

/// Takes a node that nothing reads out of a Program.
void erase_node(Program& program, NodeId node) {
  const auto renumber = [&](NodeId& id) {
    if (id != kNone && id > node) --id;
  };
  program.nodes.erase(program.nodes.begin() + static_cast<ptrdiff_t>(node));
  for (Node& other : program.nodes)
    for (NodeId& operand : other.operands) renumber(operand);
  for (ReductionInfo& reduction : program.reductions) renumber(reduction.bound);
  for (OutputInfo& output : program.outputs) {
    renumber(output.node);
    renumber(output.position);
  }
  renumber(program.row_guard);
}

bool is_read(const Program& program, NodeId node) {
  const auto is = [&](NodeId id) { return id == node; };
  return is(program.row_guard) ||
         std::any_of(program.nodes.begin(), program.nodes.end(),
                     [&](const Node& n) { return std::any_of(n.operands.begin(), n.operands.end(), is); }) ||
         std::any_of(program.reductions.begin(), program.reductions.end(),
                     [&](const ReductionInfo& r) { return is(r.bound); }) ||
         std::any_of(program.outputs.begin(), program.outputs.end(),
                     [&](const OutputInfo& o) { return is(o.node) || is(o.position); });
}

}  // namespace

std::string tuning_digest(const Program& program) {
  const auto token = std::find_if(program.outputs.begin(), program.outputs.end(),
                                  [](const OutputInfo& output) { return output.name == "token"; });
  if (token == program.outputs.end() || token->dtype != DType::i64) return digest(program);
  const NodeId widened = token->node;
  const Node& cast = program.nodes[widened];
  if (cast.op != Op::cast || program.nodes[cast.operands[0]].dtype != DType::i32) return digest(program);
  Program narrow = program;
  OutputInfo& output = narrow.outputs[static_cast<size_t>(token - program.outputs.begin())];
  output.dtype = DType::i32;
  output.node = cast.operands[0];
  if (!is_read(narrow, widened)) erase_node(narrow, widened);
  return digest(narrow);
}

TuningKey tuning_key(const DeviceDescription& device, const Program& program, const Problem& problem) {
  constexpr double kMemoryClass = 100e9;
  TuningKey key;
  key.device_name = device.name;
  key.workers = device.workers;
  key.memory_class = static_cast<int>(std::lround(device.memory_bytes_per_second / kMemoryClass));
  key.target = device.target.str();
  key.program = tuning_digest(program);
  key.problem = problem;
  return key;
}

void TuningRecords::add(const TuningRecordText& file, std::string_view kind, const Log& log) {
  try {
    const TuningRecord record = parse_tuning_record(file.text, std::string(file.name));
    if (record.winner.empty()) {
      left_out_.push_back(
          fmt::format("{} {}: chooses nothing yet, its tuner was interrupted", kind, file.name));
      return;
    }
    const Choice choice{Schedule::parse(record.winner), fmt::format("{} {}", kind, file.name)};
    TuningKey key = record.key;
    entries_.push_back({key, choice, std::string(file.text)});
    for (const int64_t first_column : record.also_first_columns) {
      key.problem.first_column = first_column;
      entries_.push_back({key, choice, std::string(file.text)});
    }
  } catch (const Error& error) {
    left_out_.push_back(fmt::format("{} {}: left out, {}", kind, file.name, error.what()));
    if (log) log(LogLevel::warning, left_out_.back());
  }
}

std::shared_ptr<const TuningRecords> TuningRecords::from_texts(std::span<const TuningRecordText> user,
                                                               std::span<const TuningRecordText> shipped,
                                                               const Log& log) {
  auto records = std::make_shared<TuningRecords>();
  for (const TuningRecordText& file : user) records->add(file, kUser, log);
  for (const TuningRecordText& file : shipped) records->add(file, kShipped, log);
  return records;
}

std::shared_ptr<const TuningRecords> TuningRecords::load(const fs::path& folder, const Log& log,
                                                         std::span<const TuningRecordText> packed) {
  const fs::path from = folder.empty() ? default_tuning_folder() : folder;
  auto records = std::make_shared<TuningRecords>();
  std::string fault;
  for (const fs::path& path : from.empty() ? std::vector<fs::path>() : json_files(from, fault)) {
    try {
      const std::string text = read_file(path);
      const std::string name = path.string();
      records->add({name, text}, kUser, log);
    } catch (const Error& error) {
      records->left_out_.push_back(fmt::format("{} {}", kUser, error.what()));
      if (log) log(LogLevel::warning, records->left_out_.back());
    }
  }
  if (!fault.empty()) {
    records->left_out_.push_back(fmt::format("{}s in '{}': {}", kUser, from.string(), fault));
    if (log) log(LogLevel::warning, records->left_out_.back());
  }
  for (const TuningRecordText& file : packed) records->add(file, kPacked, log);
  for (const TuningRecordText& file : tune::shipped_records()) records->add(file, kShipped, log);
  return records;
}

std::vector<TuningRecords::Tuned> TuningRecords::on_any_card(const std::string& program,
                                                             const Problem& problem,
                                                             const std::string& target) const {
  std::vector<Tuned> tuned;
  for (const Entry& entry : entries_)
    if (entry.key.program == program && entry.key.problem == problem && entry.key.target == target)
      tuned.push_back({&entry.choice.schedule, entry.text});
  return tuned;
}

size_t TuningRecords::count_for(int64_t columns, int64_t contracted) const {
  return static_cast<size_t>(std::count_if(entries_.begin(), entries_.end(), [&](const Entry& entry) {
    return entry.key.problem.columns == columns && entry.key.problem.contracted == contracted;
  }));
}

std::optional<TuningRecords::Choice> TuningRecords::find(const TuningKey& key) const {
  const auto found =
      std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.key == key; });
  if (found == entries_.end()) return std::nullopt;
  return found->choice;
}

TuningRecords::Explanation TuningRecords::explain(const TuningKey& key) const {
  Explanation explanation;
  for (const Entry& entry : entries_) {
    if (entry.key == key) {
      if (!explanation.choice)
        explanation.choice = entry.choice;
      else
        explanation.not_used.push_back(
            fmt::format("{}: {} goes before it", entry.choice.rule, explanation.choice->rule));
      continue;
    }
    const Problem& p = entry.key.problem;
    if (p.columns == key.problem.columns && p.contracted == key.problem.contracted &&
        p.max_rows == key.problem.max_rows)
      (device_text(entry.key) == device_text(key) ? explanation.not_used : explanation.of_other_devices)
          .push_back(fmt::format("{}: {}", entry.choice.rule, difference(entry.key, key)));
  }
  explanation.not_used.insert(explanation.not_used.end(), left_out_.begin(), left_out_.end());
  return explanation;
}

}  // namespace gumtile
