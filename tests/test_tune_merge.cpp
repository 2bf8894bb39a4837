// The merged results of two searches of one key, and which candidate of a search wins.
#include <doctest/doctest.h>

#include <map>
#include <string>
#include <vector>

#include "tests/tune_fixture.h"
#include "tools/tune/verdict.h"

using namespace gumtile;
using namespace gumtile::test;
using gumtile::tools::choose_winner;
using gumtile::tools::compare_rounds;
using gumtile::tools::is_clearly_faster;
using gumtile::tools::Verdict;

namespace {

const std::string kThird = "wgmma:b64,v64,k64,stages=9,wg=1x1,cluster=1x1,l2=128,box=64";

/// A search of `rounds` rounds: the built-in choice, and others by their time relative to it.
TuningRecord search_of(const std::string& date, int rounds,
                       const std::vector<std::pair<std::string, double>>& others, const std::string& winner) {
  TuningRecord record = record_of(key_on(h200()));
  record.date = date;
  record.winner = winner;
  record.candidates = {{kHeuristic, 300, 299, 301, "", rounds, 1, 0, date}};
  for (const auto& [schedule, ratio] : others)
    record.candidates.push_back(
        {schedule, 300 * ratio, 299 * ratio, 301 * ratio, "", rounds, ratio, 0.002, date});
  return record;
}

const TuningCandidate& candidate_of(const TuningRecord& record, const std::string& schedule) {
  for (const TuningCandidate& c : record.candidates)
    if (c.schedule == schedule) return c;
  FAIL("no candidate ", schedule);
  return record.candidates.front();
}

std::vector<double> repeated(std::vector<double> pattern, size_t times) {
  std::vector<double> all;
  for (size_t i = 0; i < times; ++i) all.insert(all.end(), pattern.begin(), pattern.end());
  return all;
}

}  // namespace

TEST_CASE("merged searches know what both have measured, each with its run") {
  const TuningRecord known = search_of("2026-01-01T00:00:00Z", 40, {{kFaster, 0.9}}, kFaster);
  const TuningRecord found = search_of("2026-01-02T00:00:00Z", 40, {{kThird, 1.1}}, kHeuristic);
  const TuningRecord both = merge_tuning_records(known, found);
  CHECK(both.candidates.size() == 3);
  CHECK(both.winner == kFaster);  // a schedule that beat only the built-in choice says nothing about it
  CHECK(candidate_of(both, kFaster).run == known.date);
  CHECK(candidate_of(both, kHeuristic).run == found.date);
  CHECK(both.complete);
  CHECK(both.date == found.date);
  CHECK(parse_tuning_record(tuning_record_text(both), "x") == both);
}

TEST_CASE("times of more rounds are kept, newer ones if they are of half as many") {
  const TuningRecord known = search_of("2026-01-01T00:00:00Z", 40, {{kFaster, 0.9}}, kFaster);
  const auto merged_with = [&](int rounds) {
    return merge_tuning_records(known,
                                search_of("2026-01-02T00:00:00Z", rounds, {{kFaster, 1.2}}, kHeuristic));
  };
  CHECK(candidate_of(merged_with(3), kFaster).of_built_in == 0.9);
  CHECK(merged_with(3).winner == kFaster);
  CHECK(candidate_of(merged_with(20), kFaster).of_built_in == 1.2);
  CHECK(merged_with(20).winner == kHeuristic);
}

TEST_CASE("a search that noise kept from deciding does not overturn a clear choice") {
  const TuningRecord known = search_of("2026-01-01T00:00:00Z", 12, {{kFaster, 0.97}}, kFaster);
  const auto winner_with = [&](double ratio, double spread) {
    TuningRecord found = search_of("2026-01-02T00:00:00Z", 12, {{kFaster, ratio}}, kHeuristic);
    found.note = "too noisy: built-in kept";
    found.candidates.back().spread = spread;
    const TuningRecord merged = merge_tuning_records(known, found);
    CHECK((merged.winner == kHeuristic) == (merged.note == found.note));
    return merged.winner;
  };
  CHECK(winner_with(0.96, 0.05) == kFaster);
  CHECK(winner_with(1.02, 0.05) == kFaster);
  CHECK(winner_with(0.985, 0.015) == kFaster);
  CHECK(winner_with(1.02, 0.005) == kHeuristic);  // clearly slower
}

TEST_CASE("another choice takes the place of one that it was not measured with if it was measured as long") {
  const TuningRecord known = search_of("2026-01-01T00:00:00Z", 40, {{kFaster, 0.9}}, kFaster);
  const auto winner_with = [&](int rounds, double ratio) {
    return merge_tuning_records(known, search_of("2026-01-02T00:00:00Z", rounds, {{kThird, ratio}}, kThird))
        .winner;
  };
  CHECK(winner_with(40, 0.8) == kThird);
  CHECK(winner_with(40, 0.895) == kFaster);  // a tie
  CHECK(winner_with(40, 0.95) == kFaster);
  CHECK(winner_with(5, 0.8) == kFaster);  // of too few rounds
}

TEST_CASE("a choice that is found to answer wrongly goes; one that was not reached stays") {
  const TuningRecord known = search_of("2026-01-01T00:00:00Z", 40, {{kFaster, 0.9}}, kFaster);
  TuningRecord found = search_of("2026-01-02T00:00:00Z", 40, {}, kHeuristic);
  found.candidates.push_back({kFaster, 0, 0, 0, "other tokens in 1 of 4 rows"});
  CHECK(merge_tuning_records(known, found).winner == kHeuristic);
  found.winner.clear();
  found.complete = false;
  CHECK(merge_tuning_records(known, found).winner == kHeuristic);
  found.candidates.back().rejected = "not measured: the budget was spent";
  CHECK(merge_tuning_records(known, found).winner == kFaster);
  CHECK(merge_tuning_records(known, found).complete);
}

TEST_CASE("records of gumtile 0.1, which do not say how many rounds, count as those of a whole search") {
  const TuningRecord known = record_of(key_on(h200()));
  const TuningRecord found = search_of("2026-03-01T00:00:00Z", 3, {{kFaster, 1.5}}, kHeuristic);
  const TuningRecord both = merge_tuning_records(known, found);
  CHECK(both.winner == kFaster);
  CHECK(candidate_of(both, kFaster).median_us == 290.5);
  CHECK(candidate_of(both, kFaster).of_built_in == doctest::Approx(290.5 / 300.25));
}

TEST_CASE("what rounds have in common is no difference") {
  const std::vector<double> heating = {100, 110, 120, 130, 140, 150};
  std::vector<double> faster = heating;
  for (double& us : faster) us *= 0.97;
  const auto comparison = compare_rounds(faster, heating);
  CHECK(comparison.ratio == doctest::Approx(0.97));
  CHECK(comparison.spread == doctest::Approx(0));
  CHECK(is_clearly_faster(comparison));
  CHECK_FALSE(is_clearly_faster(compare_rounds(heating, faster)));
  CHECK_FALSE(is_clearly_faster(compare_rounds({}, heating)));
  for (double& us : faster) us *= 0.995 / 0.97;
  CHECK_FALSE(is_clearly_faster(compare_rounds(faster, heating)));  // a tie
  CHECK_FALSE(is_clearly_faster({2, 0.5, 0}));                      // two rounds say nothing
}

TEST_CASE("a winner within its own noise is not a winner") {
  const std::vector<TuningCandidate> candidates = {{kHeuristic, 1, 1, 1, ""}, {kFaster, 1, 1, 1, ""}};
  const std::vector<double> built_in = repeated({100}, 30);
  Verdict verdict =
      choose_winner(candidates, {{kHeuristic, built_in}, {kFaster, repeated({60, 95, 130}, 10)}}, "");
  CHECK(verdict.winner == kHeuristic);
  CHECK(verdict.note.starts_with("too noisy: built-in kept"));
  CHECK(verdict.note.find(kFaster) != std::string::npos);
  verdict = choose_winner(candidates, {{kHeuristic, built_in}, {kFaster, repeated({94, 95, 96}, 10)}}, "");
  CHECK(verdict.winner == kFaster);
  CHECK(verdict.note.empty());
  verdict = choose_winner(candidates, {{kHeuristic, built_in}, {kFaster, repeated({101}, 30)}}, "");
  CHECK(verdict.winner == kHeuristic);
  CHECK(verdict.note.empty());
}

TEST_CASE("what earlier searches chose stays the choice unless another one is clearly faster than it") {
  const std::vector<TuningCandidate> candidates = {
      {kHeuristic, 1, 1, 1, ""}, {kFaster, 1, 1, 1, ""}, {kThird, 1, 1, 1, ""}};
  const auto winner_of = [&](double incumbent, double challenger) {
    return choose_winner(candidates,
                         {{kHeuristic, repeated({100}, 30)},
                          {kFaster, repeated({incumbent - 1, incumbent, incumbent + 1}, 10)},
                          {kThird, repeated({challenger + 1, challenger, challenger - 1}, 10)}},
                         kFaster)
        .winner;
  };
  CHECK(winner_of(90, 89) == kFaster);
  CHECK(winner_of(90, 80) == kThird);
  CHECK(winner_of(100, 101) == kHeuristic);
  CHECK(winner_of(100, 90) == kThird);
}
