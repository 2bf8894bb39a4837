#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <fstream>
#include <iterator>
#include <system_error>

#include "gumtile/error.h"
#include "gumtile/tuning.h"
#include "runtime/tune/record_json.h"
#include "runtime/tune/shipped.h"

namespace gumtile {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kUser = "user record";
constexpr std::array<std::string_view, 3> kOrigins = {kUser, "pack record", "shipped record"};

/// A record is a few kilobytes; a larger file is something else.
constexpr uintmax_t kMaxFileBytes = uintmax_t{8} << 20;

std::string device_text(const TuningKey& key) {
  return fmt::format("'{}' with {} workers and memory of class {}", key.device_name, key.workers,
                     key.memory_class);
}

/// "words=5 here, 3 there; loads=0 here, 4 there".
std::string class_difference(const Workload& there, const Workload& here) {
  const std::string there_text = there.str();
  const std::string here_text = here.str();
  std::string_view theirs = there_text;
  std::string_view ours = here_text;
  const auto next = [](std::string_view& members) {
    const std::string_view member = members.substr(0, members.find(','));
    members.remove_prefix(std::min(member.size() + 1, members.size()));
    return member;
  };
  std::string text;
  while (!ours.empty()) {  // both have the same members, in the same order
    const std::string_view here_member = next(ours);
    const std::string_view there_member = next(theirs);
    if (here_member != there_member)
      text += fmt::format("{}{} here, {} there", text.empty() ? "" : "; ", here_member,
                          there_member.substr(there_member.find('=') + 1));
  }
  return text;
}

/// Whether two keys differ at most in the class.
bool is_same_place(const TuningKey& a, const TuningKey& b) {
  return a.problem == b.problem && a.workers == b.workers && a.memory_class == b.memory_class &&
         a.target == b.target && a.device_name == b.device_name;
}

/// The first difference that keeps a record for `found` from being used for `wanted`.
std::string difference(const TuningKey& found, const TuningKey& wanted) {
  if (device_text(found) != device_text(wanted))
    return fmt::format("tuned on {}; this is {}", device_text(found), device_text(wanted));
  if (found.target != wanted.target)
    return fmt::format("for target '{}'; this is '{}'", found.target, wanted.target);
  if (!distance(found.workload, wanted.workload))
    return fmt::format("of a class that says nothing about this one ({})",
                       class_difference(found.workload, wanted.workload));
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

/// Throws Error(io) if a file cannot be read or is too large for a record.
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

}  // namespace

TuningKey tuning_key(const DeviceDescription& device, const Program& program, const Problem& problem) {
  constexpr double kMemoryClass = 100e9;
  TuningKey key;
  key.device_name = device.name;
  key.workers = device.workers;
  key.memory_class = static_cast<int>(std::lround(device.memory_bytes_per_second / kMemoryClass));
  key.target = device.target.str();
  key.workload = workload_of(program);
  key.problem = problem;
  return key;
}

WhyNot why_not_usable(const Program& program, const Problem& problem, const Target& target,
                      const Schedule& built_in) {
  return [&program, problem, target, built_in](const Schedule& schedule) -> std::string {
    if (schedule.family.index() != built_in.family.index())
      return fmt::format("'{}' is of another family than the built-in choice '{}'", schedule.str(),
                         built_in.str());
    try {
      make_plan(program, problem, schedule, target);
    } catch (const Error& error) {  // tuned for another Program of its class, or by another gumtile
      return error.what();
    }
    return {};
  };
}

void TuningRecords::add(const TuningRecordText& file, Origin origin, const Log& log) {
  const std::string_view kind = kOrigins[static_cast<size_t>(origin)];
  try {
    const auto [record, is_of_0_1] = tune::read_tuning_record(file.text, std::string(file.name));
    if (record.winner.empty()) {
      left_out_.push_back(
          fmt::format("{} {}: chooses nothing yet, its tuner was interrupted", kind, file.name));
      return;
    }
    const Choice choice{Schedule::parse(record.winner), fmt::format("{} {}", kind, file.name)};
    const std::string text = is_of_0_1 ? tuning_record_text(record) : std::string(file.text);
    TuningKey key = record.key;
    entries_.push_back({key, choice, text, origin, is_of_0_1});
    for (const int64_t first_column : record.also_first_columns) {
      key.problem.first_column = first_column;
      entries_.push_back({key, choice, text, origin, is_of_0_1});
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
  for (const TuningRecordText& file : user) records->add(file, Origin::user, log);
  for (const TuningRecordText& file : shipped) records->add(file, Origin::shipped, log);
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
      records->add({name, text}, Origin::user, log);
    } catch (const Error& error) {
      records->left_out_.push_back(fmt::format("{} {}", kUser, error.what()));
      if (log) log(LogLevel::warning, records->left_out_.back());
    }
  }
  if (!fault.empty()) {
    records->left_out_.push_back(fmt::format("{}s in '{}': {}", kUser, from.string(), fault));
    if (log) log(LogLevel::warning, records->left_out_.back());
  }
  for (const TuningRecordText& file : packed) records->add(file, Origin::pack, log);
  for (const TuningRecordText& file : tune::shipped_records()) records->add(file, Origin::shipped, log);
  return records;
}

/// Those that may choose for a key, in order of precedence.
std::vector<TuningRecords::Ranked> TuningRecords::ranked(const TuningKey& key) const {
  std::vector<Ranked> found;
  for (const Entry& entry : entries_)
    if (is_same_place(entry.key, key))
      if (const std::optional<int> apart = distance(entry.key.workload, key.workload))
        found.push_back({&entry, *apart});
  std::stable_sort(found.begin(), found.end(), [](const Ranked& a, const Ranked& b) {
    if (a.distance != b.distance) return a.distance < b.distance;
    if (a.entry->origin != b.entry->origin) return a.entry->origin < b.entry->origin;
    if (a.entry->key.workload != b.entry->key.workload)
      return a.entry->key.workload.str() < b.entry->key.workload.str();
    return a.entry->is_of_0_1 < b.entry->is_of_0_1;  // a record precedes the one of 0.1 that it was made from
  });
  return found;
}

std::string TuningRecords::label(const Ranked& ranked, const TuningKey& key, std::string_view which) {
  const std::string& rule = ranked.entry->choice.rule;
  if (ranked.distance == 0) return rule;
  return fmt::format("{}, of {} class ({})", rule, which,
                     class_difference(ranked.entry->key.workload, key.workload));
}

size_t TuningRecords::first_usable(const std::vector<Ranked>& ranked, const TuningKey& key,
                                   const WhyNot& why_not, std::vector<std::string>* refused) {
  size_t i = 0;
  for (; why_not && i < ranked.size(); ++i) {
    const std::string why = why_not(ranked[i].entry->choice.schedule);
    if (why.empty()) break;
    if (refused != nullptr) refused->push_back(fmt::format("{}: {}", label(ranked[i], key, "another"), why));
  }
  return i;
}

std::optional<TuningRecords::Choice> TuningRecords::find(const TuningKey& key, const WhyNot& why_not,
                                                         std::vector<std::string>* refused) const {
  const std::vector<Ranked> all = ranked(key);
  const size_t first = first_usable(all, key, why_not, refused);
  if (first == all.size()) return std::nullopt;
  return Choice{all[first].entry->choice.schedule, label(all[first], key, "the nearest")};
}

std::vector<TuningRecords::Tuned> TuningRecords::on_any_card(const Workload& workload, const Problem& problem,
                                                             const std::string& target,
                                                             const WhyNot& why_not) const {
  std::vector<Tuned> tuned;
  for (const Entry& entry : entries_) {
    if (entry.key.problem != problem || entry.key.target != target) continue;
    TuningKey key = entry.key;
    key.workload = workload;
    std::vector<Ranked> all = ranked(key);
    if (entry.key == key) all = {{&entry, 0}};  // also if another one precedes it
    const size_t first = first_usable(all, key, why_not, nullptr);
    if (first < all.size() && all[first].entry == &entry)
      tuned.push_back({&entry.choice.schedule, entry.text});
  }
  return tuned;
}

size_t TuningRecords::count_for(int64_t columns, int64_t contracted) const {
  return static_cast<size_t>(std::count_if(entries_.begin(), entries_.end(), [&](const Entry& entry) {
    return entry.key.problem.columns == columns && entry.key.problem.contracted == contracted;
  }));
}

TuningRecords::Explanation TuningRecords::explain(const TuningKey& key, const WhyNot& why_not) const {
  Explanation explanation;
  const std::vector<Ranked> all = ranked(key);
  const size_t first = first_usable(all, key, why_not, &explanation.not_used);
  if (first < all.size())
    explanation.choice = Choice{all[first].entry->choice.schedule, label(all[first], key, "the nearest")};
  for (size_t i = first + 1; i < all.size(); ++i)
    explanation.not_used.push_back(
        fmt::format("{}: {} goes before it", label(all[i], key, "another"), explanation.choice->rule));
  for (const Entry& entry : entries_) {
    if (std::any_of(all.begin(), all.end(), [&](const Ranked& each) { return each.entry == &entry; }))
      continue;
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
