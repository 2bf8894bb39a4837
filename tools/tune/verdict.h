#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "gumtile/tuning.h"

namespace gumtile::tools {

/// How a candidate's times compare with another one's of the same interleaved rounds.
struct Comparison {
  int rounds = 0;
  double ratio = 1;   ///< median over rounds of its time divided by the other one's
  double spread = 0;  ///< of that ratio over rounds: 1.48 times the median distance from its median
};

/// Round by round, so that effects on both (clocks, heat, another process) cancel out.
Comparison compare_rounds(std::span<const double> times, std::span<const double> others);

/// Whether a candidate is faster beyond its own noise, and by more than a kernel's times differ from run to
/// run.
bool is_clearly_faster(const Comparison& comparison);

/// The candidate that wins, and why a faster one does not.
struct Verdict {
  std::string winner;
  std::string note;  ///< "too noisy: built-in kept", and which one seemed faster; else empty
};

/// `rounds`: the times of the last rounds by schedule. The built-in choice is `candidates[0]`; another one
/// wins if it is clearly faster. An `incumbent` that earlier searches chose stays the choice if it is clearly
/// faster than the built-in one and no other candidate is clearly faster than it.
Verdict choose_winner(const std::vector<TuningCandidate>& candidates,
                      const std::map<std::string, std::vector<double>>& rounds, const std::string& incumbent);

}  // namespace gumtile::tools
