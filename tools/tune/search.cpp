#include "tools/tune/search.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "head/fields.h"

namespace gumtile::tools {
namespace {

using Clock = std::chrono::steady_clock;

constexpr size_t kFinalists = 6;
constexpr std::string_view kNoTime = "not measured: the budget was spent";
static_assert(kNoTime.starts_with(kNotMeasured));
constexpr int kFirstRounds = 3;
constexpr int kMoreRounds = 8;
constexpr int kFinalRounds = 40;

/// A sample is a few replays: as many as take this long, at most kMostRepeats.
constexpr double kSampleUs = 5000;
constexpr int kMostRepeats = 5;
constexpr double kEnoughSeconds = 10;

/// The tolerance for floats, which come from sums over the vocabulary, in an order that depends on the
/// schedule.
constexpr double kTolerance = 1e-3;

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// Why rows failed; empty if none did.
std::string failure(const CheckedAnswer& answer) {
  const auto found = answer.outputs.find("status");
  if (found == answer.outputs.end()) return {};
  const auto failed =
      std::count_if(found->second.begin(), found->second.end(), [](double s) { return s != 0; });
  return failed == 0 ? "" : fmt::format("{} rows have a bad status", failed);
}

/// Why an answer differs from the heuristic's; empty if it does not. Integers must be the same.
std::string difference(const CheckedAnswer& answer, const CheckedAnswer& reference) {
  if (std::string why = failure(answer); !why.empty()) return why;
  for (const auto& [name, expected] : reference.outputs) {
    const head::Field* field = head::find_field(name);
    const double tolerance = field != nullptr && field->type == head::FieldType::f32 ? kTolerance : 0;
    const auto found = answer.outputs.find(name);
    if (found == answer.outputs.end() || found->second.size() != expected.size())
      return fmt::format("other values of '{}': not one for each row", name);
    const std::vector<double>& values = found->second;
    size_t others = 0, last = 0;
    for (size_t row = 0; row < expected.size(); ++row)
      if (!(std::abs(values[row] - expected[row]) <= tolerance)) {
        ++others;
        last = row;
      }
    if (others != 0)
      return fmt::format("other values of '{}' in {} of {} rows: {} for {}", name, others, expected.size(),
                         values[last], expected[last]);
  }
  return {};
}

std::string_view family(const std::string& schedule) {
  return std::string_view(schedule).substr(0, schedule.find(':'));
}

}  // namespace

BucketSearch::BucketSearch(CompilePool& pool, Measurer& measurer, SearchTask task, Progress progress)
    : pool_(pool), measurer_(measurer), task_(std::move(task)), progress_(std::move(progress)) {}

double BucketSearch::seconds_left() const {
  return std::chrono::duration<double>(end_ - Clock::now()).count();
}

void BucketSearch::reject(size_t candidate, const std::string& why) {
  if (candidate == 0)
    throw WorkerFault(
        fmt::format("the built-in choice '{}' cannot be measured: {}", task_.candidates[0].schedule, why));
  task_.candidates[candidate].rejected = why;
}

size_t BucketSearch::index_of(const std::string& schedule) const {
  const auto found = std::find_if(task_.candidates.begin(), task_.candidates.end(),
                                  [&](const TuningCandidate& c) { return c.schedule == schedule; });
  return static_cast<size_t>(found - task_.candidates.begin());
}

void BucketSearch::tell(std::string_view stage, size_t done, size_t total) const {
  SearchProgress progress{stage, done, total, {}, 0};
  for (const TuningCandidate& c : task_.candidates) {
    if (!c.rejected.empty() || c.of_built_in == 0) continue;
    if (!progress.best.empty() && progress.of_built_in <= c.of_built_in) continue;
    progress.best = c.schedule;
    progress.of_built_in = c.of_built_in;
  }
  progress_(progress);
}

std::string BucketSearch::fault_of(const std::string& stage, size_t candidate) const {
  for (const InjectedFault& fault : task_.faults)
    if (fault.stage == stage && fault.candidate == candidate) return fault.kind;
  return {};
}

/// Known from an earlier search. The heuristic is always measured again.
bool BucketSearch::is_known(size_t candidate) const {
  const TuningCandidate& c = task_.candidates[candidate];
  return candidate != 0 && (c.median_us > 0 || !c.rejected.empty());
}

void BucketSearch::run(double seconds) {
  end_ = Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  compile_and_load();
  check_all();
  measure();
  choose();
}

void BucketSearch::compile_and_load() {
  // On a CPU, compilers would use the cores that the measurement needs.
  if (!measurer_.device().target.is_cuda())
    pool_.wait_until_idle([&](size_t done, size_t all) { tell("compiled", done, all); });
  std::map<std::string, std::string> files;
  for (size_t i = 0; i < task_.candidates.size(); ++i) {
    if (!task_.candidates[i].rejected.empty()) continue;
    tell("compiled", i, task_.candidates.size());
    const auto outcome = pool_.wait(task_.candidates[i].schedule, i == 0 ? Clock::time_point::max() : end_);
    if (!outcome)
      reject(i, std::string(kNoTime));
    else if (!outcome->rejected.empty())
      reject(i, outcome->rejected);
    else
      files[task_.candidates[i].schedule] = outcome->file;
  }
  const std::map<std::string, std::string> failed = measurer_.load(files);
  for (size_t i = 0; i < task_.candidates.size(); ++i)
    if (const auto found = failed.find(task_.candidates[i].schedule); found != failed.end())
      reject(i, found->second);
}

void BucketSearch::check_all() {
  for (size_t i = 0; i < task_.candidates.size(); ++i) {
    TuningCandidate& candidate = task_.candidates[i];
    if (!candidate.rejected.empty()) continue;
    tell("checked", i, task_.candidates.size());
    if (i != 0 && seconds_left() < 0) {
      if (!is_known(i)) candidate.rejected = kNoTime;
      continue;
    }
    try {
      CheckedAnswer answer =
          measurer_.check(candidate.schedule, task_.key.problem.max_rows, launch_us_, fault_of("check", i));
      if (i == 0) {
        if (const std::string why = failure(answer); !why.empty()) reject(i, why);
        launch_us_ = answer.launch_us;
        reference_ = std::move(answer);
      } else if (std::string why = difference(answer, reference_); !why.empty()) {
        candidate.rejected = std::move(why);
      }
    } catch (const WorkerFault& fault) {
      reject(i, fault.what());
    }
  }
}

/// Those that may be measured, fastest first; those not measured yet are last. The heuristic comes first,
/// then the choice of earlier searches.
std::vector<size_t> BucketSearch::best(size_t count) const {
  std::vector<size_t> order;
  for (size_t i = 1; i < task_.candidates.size(); ++i)
    if (task_.candidates[i].rejected.empty()) order.push_back(i);
  const auto time_of = [&](size_t i) {
    if (task_.candidates[i].schedule == task_.incumbent) return 0.0;
    const double us = task_.candidates[i].median_us;
    return us > 0 ? us : HUGE_VAL;
  };
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return time_of(a) < time_of(b); });
  order.insert(order.begin(), 0);
  if (order.size() > count) order.resize(count);
  return order;
}

void BucketSearch::measure() {
  const size_t all = task_.candidates.size();
  std::vector<size_t> unknown{0};
  for (const size_t i : best(all))
    if (i != 0 && !is_known(i)) unknown.push_back(i);
  time("timed", unknown, kFirstRounds, 0.5);
  for (const size_t i : unknown)
    if (task_.candidates[i].median_us == 0 && task_.candidates[i].rejected.empty())
      reject(i, std::string(kNoTime));
  if (const size_t quarter = 1 + (all + 3) / 4; quarter > kFinalists)
    time("timed again", best(quarter), kMoreRounds, 0.5);
  time("final", best(1 + kFinalists), kFinalRounds, 1);
}

/// The times are only those of these rounds, so that all candidates in it had the same clocks.
void BucketSearch::time(std::string_view stage, const std::vector<size_t>& chosen, int rounds, double share) {
  Measurer::Timing timing;
  timing.rounds = rounds;
  timing.launch_us = launch_us_;
  const double sweep_us = std::max(launch_us_, 1.0) * measurer_.copies();
  timing.repeats = std::clamp(static_cast<int>(kSampleUs / sweep_us), 1, kMostRepeats);
  // Slow kernels do not get all rounds: three of them, or a few seconds, are enough.
  const double round_seconds = 1e-6 * sweep_us * (timing.repeats + 2) * static_cast<double>(chosen.size());
  timing.seconds =
      std::min(std::max(seconds_left(), 0.0) * share, std::max(kEnoughSeconds, 3 * round_seconds));
  if (timing.seconds == 0 && task_.candidates[0].median_us > 0) return;  // the first rounds have to be enough

  std::vector<std::string> schedules;
  for (const size_t i : chosen) {
    schedules.push_back(task_.candidates[i].schedule);
    if (const std::string fault = fault_of("time", i); !fault.empty()) {
      timing.faulty = schedules.back();
      timing.fault = fault;
    }
  }
  std::map<std::string, Samples> samples;
  size_t done = 0;
  try {
    tell(stage, 0, chosen.size() * static_cast<size_t>(rounds));
    const auto failed = measurer_.time(schedules, task_.key.problem.max_rows, timing,
                                       [&](const std::string& schedule, const Engine::Timing& measured) {
                                         Samples& s = samples[schedule];
                                         s.median.push_back(measured.median_us);
                                         s.p5.push_back(measured.p5_us);
                                         s.p95.push_back(measured.p95_us);
                                         tell(stage, ++done, chosen.size() * static_cast<size_t>(rounds));
                                       });
    keep(samples);
    for (const auto& [schedule, why] : failed) reject(index_of(schedule), why);
  } catch (const Interrupted&) {
    keep(samples);
    throw;
  }
}

void BucketSearch::keep(const std::map<std::string, Samples>& samples) {
  const auto built_in = samples.find(task_.candidates[0].schedule);
  if (built_in == samples.end()) return;  // there is nothing with which to compare the others
  last_rounds_.clear();
  for (const auto& [schedule, s] : samples) {
    TuningCandidate& candidate = task_.candidates[index_of(schedule)];
    const Comparison comparison = compare_rounds(s.median, built_in->second.median);
    candidate.median_us = median(s.median);
    candidate.p5_us = median(s.p5);
    candidate.p95_us = median(s.p95);
    candidate.rounds = static_cast<int>(s.median.size());
    candidate.of_built_in = comparison.ratio;
    candidate.spread = comparison.spread;
    candidate.run = task_.run;
    last_rounds_[schedule] = s.median;
  }
}

/// Only among the finalists: the times of the others are of fewer rounds, when the device was in another
/// state.
void BucketSearch::choose() {
  const std::string& heuristic = task_.candidates[0].schedule;
  for (TuningCandidate& candidate : task_.candidates)
    if (candidate.rejected.empty() && family(candidate.schedule) != family(heuristic))
      candidate.rejected = "another family: it rounds differently";
  verdict_ = choose_winner(task_.candidates, last_rounds_, task_.incumbent);
}

}  // namespace gumtile::tools
