#include <algorithm>

#include "gumtile/plan.h"
#include "plan/family.h"

namespace gumtile {
namespace {

/// Tiles of 128 columns keep several blocks or many stages on a multiprocessor. Measured on an H200 at 151936
/// x 4096, us: 16 rows 292-304 (256 columns: 302-312), 64 rows as two blocks of four warps 337 (one block,
/// 256 columns: 354), 128 rows 488 (as two passes of 64 rows: 547).
MmaSyncSchedule mma_sync_schedule(const Problem& problem, const Target& target) {
  MmaSyncSchedule s;
  s.block_batch = problem.max_rows <= 16   ? 16
                  : problem.max_rows <= 32 ? 32
                  : problem.max_rows <= 64 ? 64
                                           : 128;
  s.block_vocab = 128;
  s.warps_m = s.block_batch == 16 ? 1 : s.block_batch == 128 ? 4 : 2;
  s.warps_n = 2;
  s.copy_bytes = std::min(problem.weights_alignment, 16);
  // What the row table and the exchange of states take beside the stages; the built-in Programs need less.
  // Two blocks share a multiprocessor where each still gets three stages.
  const int reserve = 96 * s.block_batch + 1024;
  const int stage = (s.block_batch + s.block_vocab) * 128;
  const int whole = (target.gpu().shared_bytes - reserve) / stage;
  const int half = ((target.gpu().shared_bytes - 1024) / 2 - reserve) / stage;
  const bool two_blocks = (s.block_batch == 32 || s.block_batch == 64) && half >= 3;
  s.stages = std::clamp(two_blocks ? half : whole, 2, 12);
  return s;
}

/// Fills shared memory with stages; what the row table and the exchange of states take beside them is a guess
/// that the built-in Programs stay below. Measured, us (tokens only):
/// - promotion of L2 fetches to 256 bytes gains 5% on an H100 and loses 2.5 to 5% on an H200;
/// - 151936 x 4096, 256 rows: pairs that share the weights 451 on an H100, 446 on an H200; no pairs 599 and
/// 476;
/// - 128256 x 8192 on an H200: 64 rows in pairs 473, alone 479; 128 rows with 256 columns 498, with 128 503;
/// - 16032 x 8192 on an H100, one tile a multiprocessor: 256 rows with 256 columns 108.5, with 128 110.6; 512
/// rows 186.6 and 191.6; 64 rows with two warpgroups along the columns 92.3, with one and in pairs 96.2;
/// - 16032 x 8192, 384 rows: 192 columns in pairs 176 on an H100 and 179 on an H200, 128 columns 185 and 183;
/// - boxes of 128 rows of the weights instead of 64: up to 64 rows 0.5 to 1.5% less on an H200, equal on an
/// H100.
WgmmaSchedule wgmma_schedule(const Problem& problem, const Target& target, const Card& card) {
  constexpr double kSlowMemory = 4.0e12;  // between an H100's 3.35 TB/s and an H200's 4.8 TB/s
  WgmmaSchedule s;
  const bool slow = card.memory_bytes_per_second != 0 && card.memory_bytes_per_second < kSlowMemory;
  const bool deep = problem.contracted > 6144;
  s.l2_promotion = slow ? 256 : 128;
  s.block_batch = problem.max_rows <= 64 ? 64 : 128;
  s.warpgroups_m = s.block_batch / 64;
  s.block_vocab = problem.max_rows <= 128 ? 128 : 256;
  s.box_rows = problem.max_rows <= 64 ? 128 : 64;
  // Blocks in pairs: with two halves of a batch they share the weights, else the hidden states.
  // An odd number of blocks along the rows would leave one of a pair without rows.
  const int64_t row_blocks = std::max<int64_t>(1, (problem.max_rows + s.block_batch - 1) / s.block_batch);
  if (problem.max_rows > 128)
    (row_blocks % 2 == 0 ? s.cluster_m : s.cluster_n) = 2;
  else if (problem.max_rows > 64 || (problem.max_rows > 32 && deep))
    s.cluster_n = 2;
  if (problem.max_rows > 64 && problem.max_rows <= 128 && deep && !slow) s.block_vocab = 256;
  // Narrower tiles where they keep more multiprocessors busy; wide ones read less from L2.
  constexpr double kWorthNarrower = 0.9;
  const auto columns_in_turn = [&](int64_t block_vocab) {
    const int64_t blocks = std::max<int64_t>(1, card.multiprocessors / row_blocks);
    const int64_t tiles = (problem.columns + block_vocab - 1) / block_vocab;
    return (tiles + blocks - 1) / blocks * block_vocab;
  };
  for (const int narrower : {192, 128, 64})
    if (narrower < s.block_vocab &&
        columns_in_turn(narrower) < kWorthNarrower * columns_in_turn(s.block_vocab))
      s.block_vocab = narrower;
  // The epilogue of a block's only tile has nothing to hide behind: two warpgroups share it.
  if (s.block_batch == 64 && s.block_vocab == 128 && columns_in_turn(128) == 128) {
    s.warpgroups_n = 2;
    s.cluster_n = 1;
  }
  s.box_rows = std::min(s.box_rows, s.block_vocab);
  const int reserve = 64 * s.block_batch + 1024;
  s.stages = std::clamp(
      (target.gpu().shared_bytes - reserve) / ((s.block_batch + s.block_vocab) * 2 * s.block_k), 2, 32);
  return s;
}

}  // namespace

Schedule default_schedule(const Program& program, const Problem& problem, const Target& target,
                          const Card& card) {
  if (!target.is_cuda()) return {HostSchedule{}};
  const ProgramAnalysis analysis = analyze(program);
  const PlanInput input{program, analysis, problem, target};
  if (kWgmmaFamily.why_not(input).empty()) return {wgmma_schedule(problem, target, card)};
  if (kMmaSyncFamily.why_not(input).empty()) return {mma_sync_schedule(problem, target)};
  SimtSchedule s;
  s.block_batch = problem.max_rows <= 8 ? 8 : problem.max_rows <= 16 ? 16 : 32;
  return {s};
}

}  // namespace gumtile
