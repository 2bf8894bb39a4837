#pragma once

#include <string>

#include "tools/tune/run.h"

namespace gumtile::tools {

/// The time to read a problem's weights once, in microseconds, from the measured read rate; 0: unknown.
double read_floor_us(const ProblemResult& result);

/// A record's candidate by its schedule; null if it has none.
const TuningCandidate* find_candidate(const TuningRecord& record, const std::string& schedule);
size_t count_measured(const TuningRecord& record);

/// What the winner gains. Its times may be from another search than the built-in choice's and then cannot be
/// compared with them; `of_built_in` can.
struct Gain {
  double built_in_us = 0;
  double winner_us = 0;
  double of_built_in = 1;
  double spread = 0;  ///< of that, over the rounds
};
Gain gain_of(const TuningRecord& record);
/// The winner, and whether it is the built-in choice, and why.
std::string choice_text(const TuningRecord& record);

/// "sm_90a, 151936 x 4096 from 0, weights bf16, …"
std::string problem_title(const ProblemResult& result);

/// A tuner's result as table, md or json.
std::string render_tuning(const TuneResult& result, const ModelHead& origin, const std::string& format);

}  // namespace gumtile::tools
