#include "tools/tune/run.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <optional>
#include <utility>

#include "files/temporary_folder.h"
#include "gumtile/compiler.h"
#include "gumtile/error.h"
#include "gumtile/version.h"
#include "tools/tune/candidates.h"
#include "tools/tune/output.h"
#include "tools/tune/progress.h"

namespace gumtile::tools {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

/// The part of a large enough budget that is reserved for the read floor. Otherwise it is measured if this
/// much is left.
constexpr double kReadFloorSeconds = 6;

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
      result.signal = interrupting_signal();
    }
    result.saved = saved_;
    result.unsaved = std::move(unsaved_);
    return result;
  }

 private:
  struct Bucket {
    BucketResult result;
    std::string incumbent;  ///< the choice of earlier searches
  };

  /// A new record, without candidates' times.
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

  static bool is_in(const TuningRecord& record, const std::string& schedule) {
    return std::any_of(record.candidates.begin(), record.candidates.end(),
                       [&](const TuningCandidate& c) { return c.schedule == schedule; });
  }

  /// Uses the results of earlier searches: the schedule that they chose takes part in this one, unless this
  /// one has only one candidate. With `--resume`, what they measured is not measured again; if they measured
  /// everything that this one would, there is nothing to do.
  void begin_with_known(Bucket& bucket) const {
    TuningRecord& record = bucket.result.record;
    const std::optional<TuningRecord> known = known_tuning(settings_.folder, record);
    if (!known) return;
    if (!known->winner.empty() && settings_.candidates > 1) {
      if (!is_in(record, known->winner)) record.candidates.push_back({known->winner, 0, 0, 0, {}});
      bucket.incumbent = known->winner;
    }
    if (!settings_.resume) return;
    for (TuningCandidate& candidate : record.candidates)
      for (const TuningCandidate& old : known->candidates)
        if (old.schedule == candidate.schedule && is_decided(old)) candidate = old;
    if (known->winner.empty() || !std::all_of(record.candidates.begin(), record.candidates.end(), is_decided))
      return;
    record = *known;
    bucket.result.resumed = true;
  }

  void tune(ProblemResult& result) {
    const MeasuredHead& head = result.problem.head;
    Measurer measurer(settings_.device, head, folder_.path(), settings_.deadlines);
    result.device = measurer.device();
    CompilePool pool(head_json(head), result.device.target.str(), folder_.path(), settings_.compile_workers,
                     settings_.compile_deadline);
    std::vector<Bucket> buckets;
    bool is_first = true;
    for (const int64_t rows : settings_.buckets) {
      Bucket& bucket = buckets.emplace_back();
      bucket.result.record = new_record(result, measurer, rows);
      begin_with_known(bucket);
      if (bucket.result.resumed) continue;
      for (size_t i = 0; i < bucket.result.record.candidates.size(); ++i) {
        const TuningCandidate& candidate = bucket.result.record.candidates[i];
        if (candidate.rejected.empty()) pool.add(candidate.schedule, is_first ? compile_fault(i) : "");
      }
      is_first = false;
    }
    for (Bucket& bucket : buckets) {
      tune_bucket(bucket, pool, measurer, result.problem);
      result.buckets.push_back(std::move(bucket.result));
    }
    if (!is_first) measure_read_floor(result, measurer);
  }

  /// Last, so that it takes no time from the search. On a CPU it reads a gigabyte several times.
  void measure_read_floor(ProblemResult& result, Measurer& measurer) {
    const double left = std::chrono::duration<double>(end_ - Clock::now()).count();
    if (!settings_.read_floor || left < kReadFloorSeconds / 2) return;
    progress_.say("measuring the read floor");
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

  void tune_bucket(Bucket& bucket, CompilePool& pool, Measurer& measurer, const TuneProblem& problem) {
    BucketResult& result = bucket.result;
    TuningRecord& record = result.record;
    const std::string title = fmt::format("{} x {}, batch {}", record.key.problem.columns,
                                          record.key.problem.contracted, record.key.problem.max_rows);
    progress_.begin(title);
    const size_t left = buckets_left_--;
    if (result.resumed) {
      save(result, problem);
      progress_.end("recorded already", false);
      return;
    }
    BucketSearch search(pool, measurer,
                        {record.key, record.candidates, bucket.incumbent, record.date, faults_},
                        [&](const SearchProgress& progress) { progress_.update(progress); });
    faults_.clear();
    double seconds = std::chrono::duration<double>(end_ - Clock::now()).count();
    if (settings_.read_floor && settings_.budget_seconds > 5 * kReadFloorSeconds)
      seconds -= kReadFloorSeconds;
    try {
      search.run(std::max(seconds, 0.0) / static_cast<double>(left));
    } catch (const WorkerFault& fault) {
      result.fault = fault.what();
      progress_.end(result.fault, true);
      return;
    } catch (const Interrupted&) {
      finish(result, search, problem);
      throw;
    }
    finish(result, search, problem);
    progress_.end(choice_text(result.record), true);
  }

  /// Records a search's results; `result` then has those of all searches.
  void finish(BucketResult& result, const BucketSearch& search, const TuneProblem& problem) {
    TuningRecord& record = result.record;
    record.candidates = search.candidates();
    record.winner = search.verdict().winner;
    record.note = search.verdict().note;
    record.complete =
        !record.winner.empty() && std::all_of(record.candidates.begin(), record.candidates.end(), is_decided);
    save(result, problem);
  }

  /// For the range that was measured, and for those like it. A record that cannot be written does not end the
  /// search: its result is still shown.
  void save(BucketResult& result, const TuneProblem& problem) {
    const TuningRecord found = result.record;
    try {
      const SavedTuning saved = save_tuning_record(settings_.folder, found);
      result.record = saved.record;
      result.path = saved.path;
      result.chooses = saved.chooses;
      saved_ = true;
      for (const int64_t first : problem.also_first_tokens) {
        TuningRecord record = found;
        record.key.problem.first_column = first;
        save_tuning_record(settings_.folder, record);
      }
    } catch (const Error& error) {
      unsaved_.emplace_back(error.what());
    }
  }

  const TuneSettings& settings_;
  size_t buckets_left_;
  TuneProgress progress_;
  Clock::time_point end_;
  std::vector<InjectedFault> faults_ = settings_.faults;
  bool saved_ = false;
  std::vector<std::string> unsaved_;
  files::TemporaryFolder folder_{"gumtile-tune"};
};

}  // namespace

TuneResult run_tuning(const TuneSettings& settings) {
  note_interrupts();
  return TuneRun(settings).run();
}

}  // namespace gumtile::tools
