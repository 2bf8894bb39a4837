#include "tools/tune/verdict.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "tools/units.h"

namespace gumtile::tools {
namespace {

/// With fewer rounds nothing can be said about their spread.
constexpr int kFewestRounds = 3;
/// With fewer rounds, the spread is their whole range: most of a few are close to each other by chance.
constexpr int kFewRounds = 5;

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// By how much a ratio may be off: three standard errors of the median, but at least one round's spread.
double noise_of(const Comparison& comparison) {
  constexpr double kMedianError =
      1.2533;  // standard error of a median divided by that of a mean, for normal values
  return comparison.spread * std::max(1.0, 3 * kMedianError / std::sqrt(comparison.rounds));
}

}  // namespace

Comparison compare_rounds(std::span<const double> times, std::span<const double> others) {
  std::vector<double> ratios;
  for (size_t i = 0; i < std::min(times.size(), others.size()); ++i)
    if (others[i] > 0) ratios.push_back(times[i] / others[i]);
  Comparison comparison;
  comparison.rounds = static_cast<int>(ratios.size());
  if (ratios.empty()) return comparison;
  comparison.ratio = median(ratios);
  const auto [least, most] = std::minmax_element(ratios.begin(), ratios.end());
  comparison.spread = *most - *least;
  if (comparison.rounds < kFewRounds) return comparison;
  constexpr double kNormal = 1.4826;  // standard deviation divided by median distance, for normal values
  for (double& ratio : ratios) ratio = std::abs(ratio - comparison.ratio);
  comparison.spread = kNormal * median(ratios);
  return comparison;
}

bool is_clearly_faster(const Comparison& comparison) {
  return comparison.rounds >= kFewestRounds &&
         comparison.ratio < 1 - std::max(kTuningTie, noise_of(comparison));
}

Verdict choose_winner(const std::vector<TuningCandidate>& candidates,
                      const std::map<std::string, std::vector<double>>& rounds,
                      const std::string& incumbent) {
  const std::string& built_in = candidates.front().schedule;
  const auto compare = [&](const std::string& schedule, const std::string& other) {
    const auto times = rounds.find(schedule);
    const auto others = rounds.find(other);
    if (times == rounds.end() || others == rounds.end()) return Comparison{};
    return compare_rounds(times->second, others->second);
  };
  const auto may_win = [&](const TuningCandidate& c) {
    return c.rejected.empty() && c.schedule != built_in && rounds.contains(c.schedule);
  };
  Verdict verdict{built_in, {}};
  for (const TuningCandidate& c : candidates)
    if (c.schedule == incumbent && may_win(c) && is_clearly_faster(compare(incumbent, built_in)))
      verdict.winner = incumbent;
  const std::string to_beat = verdict.winner;
  double least = HUGE_VAL;
  const TuningCandidate* seems_faster = nullptr;
  double seems = 1 - kTuningTie;
  for (const TuningCandidate& c : candidates) {
    if (!may_win(c) || c.schedule == to_beat) continue;
    const Comparison with_best = compare(c.schedule, to_beat);
    if (is_clearly_faster(with_best) && with_best.ratio < least) {
      least = with_best.ratio;
      verdict.winner = c.schedule;
    }
    if (const double ratio = compare(c.schedule, built_in).ratio; ratio < seems) {
      seems = ratio;
      seems_faster = &c;
    }
  }
  if (verdict.winner == built_in && seems_faster != nullptr) {
    const Comparison comparison = compare(seems_faster->schedule, built_in);
    const std::string spread = comparison.rounds < kFewestRounds
                                   ? ", too few to tell"
                                   : fmt::format(", by +- {:.3f}", noise_of(comparison));
    verdict.note =
        fmt::format("too noisy: built-in kept; {} took {:.3f} of its time in {}{}", seems_faster->schedule,
                    comparison.ratio, count_text(comparison.rounds, "round"), spread);
  }
  return verdict;
}

}  // namespace gumtile::tools
