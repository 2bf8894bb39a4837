#pragma once

#include <algorithm>
#include <cstdint>

#include "gumtile/plan.h"

/// The terms from which families compute a schedule's cost. They model that:
/// - each further block of rows reads the weights again, from L2, unless blocks share them;
/// - every tile of columns reads the hidden states, from L2;
/// - padded rows are multiplied like other rows;
/// - the last tiles leave multiprocessors idle.
namespace gumtile::cost_model {

inline double ceil_div(int64_t a, int64_t b) {
  const int64_t quotient = (a + b - 1) / b;
  return static_cast<double>(quotient);
}

inline double row_blocks(const Problem& problem, int block_rows) {
  return ceil_div(problem.max_rows, block_rows);
}

/// The slowest of three: reading the weights (1), reading `l2_reads` times as much from L2, and multiplying
/// `padded_rows` rows.
inline double slowest(double l2_reads, double padded_rows) {
  constexpr double kL2OverMemory = 1.5;  // ratio of the read rates on an H100 and an H200
  constexpr double kBalancedRows = 180;  // rows at which multiplying takes as long as reading, on the same
  return std::max({1.0, l2_reads / kL2OverMemory, padded_rows / kBalancedRows});
}

/// The factor by which idle multiprocessors lengthen a launch. Blocks of rows share the multiprocessors.
inline double idle(const Problem& problem, const Card& card, int block_rows, int block_vocab) {
  const double tiles = ceil_div(problem.columns, block_vocab);
  const auto rows = static_cast<int64_t>(row_blocks(problem, block_rows));
  const int64_t all = std::max(1, card.multiprocessors);
  const int64_t workers = std::max<int64_t>(1, all / rows);  // per block of rows
  const double rounds = ceil_div(static_cast<int64_t>(tiles), workers) * ceil_div(rows * workers, all);
  return rounds * static_cast<double>(all) / (tiles * static_cast<double>(rows));
}

}  // namespace gumtile::cost_model
