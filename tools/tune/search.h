#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "gumtile/tuning.h"
#include "tools/tune/compile_pool.h"
#include "tools/tune/measurer.h"

namespace gumtile::tools {

/// How a worker is to misbehave on a candidate of the first bucket, counted from 0 for the heuristic: for
/// tests of what must cost that candidate only.
struct InjectedFault {
  std::string stage;  ///< compile, check or time
  std::string kind;   ///< abort, hang, garbage; corrupt (compile); wrong (check)
  size_t candidate = 0;
};

/// How the reasons begin for candidates that a search had no time for.
inline constexpr std::string_view kNotMeasured = "not measured";

/// What a search starts from: a bucket's key and its candidates, the heuristic first. Candidates that an
/// interrupted search has measured or rejected keep what it found.
struct SearchTask {
  TuningKey key;
  std::vector<TuningCandidate> candidates;
  std::vector<InjectedFault> faults;
};

/// Searches one bucket by successive halving. Every candidate is compiled, loaded, and checked: it must give
/// the heuristic's tokens. Then all get a few replays in interleaved rounds, the best quarter more, the final
/// few the most. The heuristic takes part in all rounds and wins unless another one is clearly faster.
class BucketSearch {
 public:
  BucketSearch(CompilePool& pool, Measurer& measurer, SearchTask task);

  /// Compiles, loads, checks and measures for `seconds`. Throws WorkerFault where the heuristic itself fails,
  /// and Interrupted, after which `candidates` holds what is known.
  void run(double seconds);

  const std::vector<TuningCandidate>& candidates() const { return task_.candidates; }
  /// The schedule that won; empty before the end.
  const std::string& winner() const { return winner_; }

 private:
  void compile_and_load();
  void check_all();
  void measure();
  void time(const std::vector<size_t>& chosen, int rounds, double share);
  std::vector<size_t> best(size_t count) const;
  void choose();
  void reject(size_t candidate, const std::string& why);
  std::string fault_of(const std::string& stage, size_t candidate) const;
  bool is_known(size_t candidate) const;
  double seconds_left() const;

  CompilePool& pool_;
  Measurer& measurer_;
  SearchTask task_;
  std::string winner_;
  CheckedAnswer reference_;
  std::vector<size_t> last_measured_;  ///< whose times are of the same rounds, the last ones
  double launch_us_ = 0;
  std::chrono::steady_clock::time_point end_;
};

}  // namespace gumtile::tools
