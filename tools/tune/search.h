#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gumtile/tuning.h"
#include "tools/tune/compile_pool.h"
#include "tools/tune/measurer.h"
#include "tools/tune/verdict.h"

namespace gumtile::tools {

/// How a worker is to misbehave on a candidate of the first bucket, counted from 0 for the heuristic: for
/// tests that only that candidate is rejected.
struct InjectedFault {
  std::string stage;  ///< compile, check or time
  std::string kind;   ///< abort, hang, garbage; corrupt (compile); wrong (check); fast, noisy (time)
  size_t candidate = 0;
};

/// The input of a search: a bucket's key and its candidates, the heuristic first. Candidates that an
/// interrupted search has measured or rejected keep its results.
struct SearchTask {
  TuningKey key;
  std::vector<TuningCandidate> candidates;
  std::string incumbent;  ///< the candidate that earlier searches chose; empty: none did
  std::string run;        ///< the date that this search's measurements get
  std::vector<InjectedFault> faults;
};

/// The progress of a search.
struct SearchProgress {
  std::string_view stage;  ///< "compiled", "checked", "timed", "timed again", "final"
  size_t done = 0;         ///< candidates; in the last stages, rounds
  size_t total = 0;
  std::string best;        ///< the fastest schedule so far; empty: none is known
  double of_built_in = 0;  ///< its time divided by the built-in choice's
};

/// Searches one bucket by successive halving. Every candidate is compiled, loaded, and checked: it must give
/// the heuristic's tokens. Then all get a few replays in interleaved rounds, the best quarter more, the final
/// few the most. The heuristic and the choice of earlier searches take part in all rounds (`choose_winner`).
class BucketSearch {
 public:
  using Progress = std::function<void(const SearchProgress&)>;
  BucketSearch(CompilePool& pool, Measurer& measurer, SearchTask task, Progress progress);

  /// Compiles, loads, checks and measures for `seconds`. Throws WorkerFault if the heuristic itself fails,
  /// and Interrupted, after which `candidates` holds the results so far.
  void run(double seconds);

  const std::vector<TuningCandidate>& candidates() const { return task_.candidates; }
  /// The verdict; without a winner before the end.
  const Verdict& verdict() const { return verdict_; }

 private:
  /// The samples of one schedule; each is of a round's few replays.
  struct Samples {
    std::vector<double> median, p5, p95;
  };

  void compile_and_load();
  void check_all();
  void measure();
  void time(std::string_view stage, const std::vector<size_t>& chosen, int rounds, double share);
  void keep(const std::map<std::string, Samples>& samples);
  void tell(std::string_view stage, size_t done, size_t total) const;
  std::vector<size_t> best(size_t count) const;
  void choose();
  void reject(size_t candidate, const std::string& why);
  size_t index_of(const std::string& schedule) const;
  std::string fault_of(const std::string& stage, size_t candidate) const;
  bool is_known(size_t candidate) const;
  double seconds_left() const;

  CompilePool& pool_;
  Measurer& measurer_;
  SearchTask task_;
  Progress progress_;
  Verdict verdict_;
  CheckedAnswer reference_;
  std::map<std::string, std::vector<double>> last_rounds_;  ///< medians by schedule
  double launch_us_ = 0;
  std::chrono::steady_clock::time_point end_;
};

}  // namespace gumtile::tools
