// Merges the results of several searches. A search that was interrupted, or that considered fewer candidates,
// adds its results and removes nothing.
#include <algorithm>
#include <cmath>
#include <optional>

#include "gumtile/tuning.h"

namespace gumtile {
namespace {

/// The rounds in which gumtile 0.1 measured finalists; its records do not say.
constexpr int kUsualRounds = 40;

int rounds_of(const TuningCandidate& candidate) {
  return candidate.rounds != 0 ? candidate.rounds : kUsualRounds;
}

const TuningCandidate* find(const std::vector<TuningCandidate>& candidates, const std::string& schedule) {
  const auto found = std::find_if(candidates.begin(), candidates.end(),
                                  [&](const TuningCandidate& c) { return c.schedule == schedule; });
  return found == candidates.end() ? nullptr : &*found;
}

/// A candidate that itself says when and against what it was measured.
TuningCandidate explicit_candidate(const TuningRecord& record, TuningCandidate candidate) {
  if (candidate.median_us == 0) return candidate;
  if (candidate.run.empty()) candidate.run = record.date;
  const TuningCandidate* built_in = find(record.candidates, record.heuristic);
  if (candidate.of_built_in == 0 && built_in != nullptr && built_in->median_us > 0)
    candidate.of_built_in = candidate.median_us / built_in->median_us;
  return candidate;
}

/// Whether a new result for a schedule replaces the known one.
bool is_newer_knowledge(const TuningCandidate& known, const TuningCandidate& found) {
  if (!is_decided(found)) return false;
  if (!is_decided(known)) return true;
  if (known.median_us == 0 || found.median_us == 0) return true;  // the newer verdict
  const bool is_noisier = found.spread > 2 * std::max(known.spread, kTuningTie);
  return !is_noisier && 2 * rounds_of(found) >= rounds_of(known);
}

/// Whether a candidate was measured to be no faster than the built-in choice, beyond its own noise.
bool is_clearly_not_faster(const TuningCandidate& candidate) {
  const double noise = candidate.spread * std::max(1.0, 4 / std::sqrt(rounds_of(candidate)));
  return candidate.of_built_in - noise > 1 - kTuningTie;
}

/// Whether a measured candidate is clearly faster than another one of another run.
bool is_clearly_faster(const TuningCandidate& candidate, const TuningCandidate& than) {
  const double margin = std::max({kTuningTie, candidate.spread, than.spread});
  return 2 * rounds_of(candidate) >= rounds_of(than) && candidate.of_built_in < than.of_built_in - margin;
}

std::string merged_winner(const TuningRecord& known, const TuningRecord& found,
                          const std::vector<TuningCandidate>& merged) {
  if (known.winner.empty() || known.winner == found.winner) return found.winner;
  const TuningCandidate* incumbent = find(merged, known.winner);
  const bool is_valid = incumbent != nullptr && incumbent->rejected.empty();
  if (found.winner.empty()) return is_valid ? known.winner : found.heuristic;
  if (!is_valid) return found.winner;
  const TuningCandidate* measured = find(found.candidates, known.winner);
  if (measured != nullptr && is_newer_knowledge(*find(known.candidates, known.winner), *measured) &&
      (found.winner != found.heuristic || is_clearly_not_faster(*measured)))
    return found.winner;  // both were in the newer search, which has compared them
  // A schedule that beat only the built-in choice, or lost to it, says nothing about the known choice.
  if (found.winner == found.heuristic) return known.winner;
  const TuningCandidate* challenger = find(merged, found.winner);
  return challenger != nullptr && challenger->rejected.empty() && is_clearly_faster(*challenger, *incumbent)
             ? found.winner
             : known.winner;
}

}  // namespace

bool is_decided(const TuningCandidate& candidate) {
  return candidate.median_us > 0 ||
         (!candidate.rejected.empty() && !candidate.rejected.starts_with(kNotMeasured));
}

bool are_comparable(const TuningRecord& a, const TuningRecord& b) {
  return a.key == b.key && a.gumtile_version == b.gumtile_version && a.compiler == b.compiler &&
         a.driver == b.driver && a.heuristic == b.heuristic &&
         a.measured_first_column == b.measured_first_column;
}

TuningRecord merge_tuning_records(const TuningRecord& known, const TuningRecord& found) {
  TuningRecord merged = found;
  merged.candidates.clear();
  for (const TuningCandidate& c : found.candidates) {
    const TuningCandidate* old = find(known.candidates, c.schedule);
    if (old != nullptr)
      merged.candidates.push_back(is_newer_knowledge(*old, c) ? explicit_candidate(found, c)
                                                              : explicit_candidate(known, *old));
    else if (is_decided(c) ||
             !known.complete)  // a candidate that was not measured does not make a record less complete
      merged.candidates.push_back(explicit_candidate(found, c));
  }
  for (const TuningCandidate& c : known.candidates)
    if (find(found.candidates, c.schedule) == nullptr && (is_decided(c) || !found.complete))
      merged.candidates.push_back(explicit_candidate(known, c));
  merged.winner = merged_winner(known, found, merged.candidates);
  if (merged.winner != found.winner) merged.note = known.note;
  merged.complete =
      !merged.winner.empty() && std::all_of(merged.candidates.begin(), merged.candidates.end(), is_decided);
  return merged;
}

}  // namespace gumtile
