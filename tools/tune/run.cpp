#include "tools/tune/run.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <fstream>
#include <iterator>
#include <optional>

#include "gumtile/compiler.h"
#include "gumtile/error.h"
#include "gumtile/version.h"
#include "tools/tune/candidates.h"
#include "tools/tune/progress.h"

namespace gumtile::tools {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

/// What the read floor is given of a budget that can spare it. Without, it is measured if so much is left.
constexpr double kReadFloorSeconds = 6;

std::optional<TuningRecord> read_record(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return std::nullopt;
  const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  try {
    return parse_tuning_record(text, path.string());
  } catch (const Error&) {  // is written anew
    return std::nullopt;
  }
}

class TuneRun {
 public:
  explicit TuneRun(const TuneSettings& settings)
      : settings_(settings),
        buckets_left_(settings.problems.size() * settings.buckets.size()),
        progress_(buckets_left_, settings.budget_seconds),
        end_(Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                std::chrono::duration<double>(settings.budget_seconds))) {}

  TuneResult run() {
    TuneResult result;
    try {
      for (const TuneProblem& problem : settings_.problems) {
        result.problems.push_back({problem, {}, {}, {}});
        tune(result.problems.back());
      }
    } catch (const Interrupted&) {
      result.interrupted = true;
    }
    return result;
  }

 private:
  /// A record without candidates' times, as it begins.
  TuningRecord new_record(const ProblemResult& result, const Measurer& measurer, int64_t bucket) const {
    const MeasuredHead& head = result.problem.head;
    TuningRecord record;
    record.key = tuning_key(result.device, program_of(head), problem_of(head, bucket));
    record.measured_first_column = head.first_token;
    record.gumtile_version = GUMTILE_VERSION_STRING;
    record.compiler = compiler_identity(result.device.target);
    record.driver = measurer.driver();
    record.date = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
    for (const Schedule& schedule : tuning_candidates(program_of(head), record.key.problem, result.device,
                                                      settings_.candidates, settings_.all_families))
      record.candidates.push_back({schedule.str(), 0, 0, 0, {}});
    record.heuristic = record.candidates.front().schedule;
    return record;
  }

  /// A finished record of the same versions takes the new one's place; an unfinished one lends its times.
  bool resume(TuningRecord& record, BucketResult& bucket) const {
    const auto is_alike = [&](const TuningRecord& old) {
      return old.key == record.key && old.gumtile_version == record.gumtile_version &&
             old.compiler == record.compiler && old.driver == record.driver &&
             old.heuristic == record.heuristic && old.measured_first_column == record.measured_first_column;
    };
    const fs::path path = settings_.folder / tuning_file_name(record.key);
    if (std::optional<TuningRecord> old = read_record(path); old && old->complete && is_alike(*old)) {
      record = *old;
      bucket.path = path;
      return true;
    }
    const std::optional<TuningRecord> old = read_record(path.string() + ".partial");
    if (!old || !is_alike(*old)) return false;
    for (TuningCandidate& candidate : record.candidates)
      for (const TuningCandidate& known : old->candidates)
        if (known.schedule == candidate.schedule && !known.rejected.starts_with(kNotMeasured))
          candidate = known;
    return false;
  }

  void tune(ProblemResult& result) {
    const MeasuredHead& head = result.problem.head;
    Measurer measurer(settings_.device, head, folder_.path(), settings_.deadlines);
    result.device = measurer.device();
    CompilePool pool(head_json(head), result.device.target.str(), folder_.path(), settings_.compile_workers,
                     settings_.compile_deadline);
    std::vector<BucketResult> buckets;
    bool is_first = true;
    for (const int64_t rows : settings_.buckets) {
      BucketResult& bucket = buckets.emplace_back();
      bucket.record = new_record(result, measurer, rows);
      if (settings_.resume) bucket.resumed = resume(bucket.record, bucket);
      if (bucket.resumed) continue;
      for (size_t i = 0; i < bucket.record.candidates.size(); ++i) {
        const TuningCandidate& candidate = bucket.record.candidates[i];
        if (candidate.rejected.empty()) pool.add(candidate.schedule, is_first ? compile_fault(i) : "");
      }
      is_first = false;
    }
    for (BucketResult& bucket : buckets) {
      tune_bucket(bucket, pool, measurer, result.problem);
      result.buckets.push_back(std::move(bucket));
    }
    if (!is_first) measure_read_floor(result, measurer);
  }

  /// Last, so that it takes no time from the search. On a CPU it reads a gigabyte several times.
  void measure_read_floor(ProblemResult& result, Measurer& measurer) {
    const double left = std::chrono::duration<double>(end_ - Clock::now()).count();
    if (!settings_.read_floor || left < kReadFloorSeconds / 2) return;
    progress_.begin("measuring the read floor");
    try {
      result.floor = measurer.read_floor();
    } catch (const WorkerFault&) {  // the records do not need it
    }
  }

  std::string compile_fault(size_t candidate) const {
    for (const InjectedFault& fault : settings_.faults)
      if (fault.stage == "compile" && fault.candidate == candidate) return fault.kind;
    return {};
  }

  void tune_bucket(BucketResult& bucket, CompilePool& pool, Measurer& measurer, const TuneProblem& problem) {
    TuningRecord& record = bucket.record;
    const std::string title = fmt::format("{} x {}, batch {}", record.key.problem.columns,
                                          record.key.problem.contracted, record.key.problem.max_rows);
    progress_.begin(title);
    const size_t left = buckets_left_--;
    if (bucket.resumed) {
      save(bucket, problem);
      progress_.end(fmt::format("{}: recorded already", title), false);
      return;
    }
    BucketSearch search(pool, measurer, {record.key, record.candidates, faults_});
    faults_.clear();
    double seconds = std::chrono::duration<double>(end_ - Clock::now()).count();
    if (settings_.read_floor && settings_.budget_seconds > 5 * kReadFloorSeconds)
      seconds -= kReadFloorSeconds;
    try {
      search.run(std::max(seconds, 0.0) / static_cast<double>(left));
    } catch (const WorkerFault& fault) {
      bucket.fault = fault.what();
      progress_.end(fmt::format("{}: {}", title, bucket.fault), true);
      return;
    } catch (const Interrupted&) {
      record.candidates = search.candidates();
      record.complete = false;
      save_tuning_record(settings_.folder, record);
      throw;
    }
    record.candidates = search.candidates();
    record.winner = search.winner();
    save(bucket, problem);
    progress_.end(fmt::format("{}: {}", title, record.winner), true);
  }

  /// For the range that was measured, and for those like it.
  void save(BucketResult& bucket, const TuneProblem& problem) const {
    if (!bucket.resumed) bucket.path = save_tuning_record(settings_.folder, bucket.record);
    for (const int64_t first : problem.also_first_tokens) {
      TuningRecord record = bucket.record;
      record.key.problem.first_column = first;
      save_tuning_record(settings_.folder, record);
    }
  }

  const TuneSettings& settings_;
  size_t buckets_left_;
  TuneProgress progress_;
  Clock::time_point end_;
  std::vector<InjectedFault> faults_ = settings_.faults;
  PrivateFolder folder_;
};

}  // namespace

TuneResult run_tuning(const TuneSettings& settings) {
  note_interrupts();
  return TuneRun(settings).run();
}

}  // namespace gumtile::tools
