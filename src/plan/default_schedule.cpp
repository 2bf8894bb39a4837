#include <algorithm>

#include "gumtile/plan.h"
#include "plan/legality.h"

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

}  // namespace

Schedule default_schedule(const Program& program, const Problem& problem, const Target& target) {
  if (!target.is_cuda()) return {HostSchedule{}};
  if (why_no_mma_sync(program, analyze(program), target).empty()) return {mma_sync_schedule(problem, target)};
  SimtSchedule s;
  s.block_batch = problem.max_rows <= 8 ? 8 : problem.max_rows <= 16 ? 16 : 32;
  return {s};
}

}  // namespace gumtile
