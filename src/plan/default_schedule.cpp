#include <algorithm>

#include "gumtile/plan.h"
#include "plan/legality.h"

namespace gumtile {
namespace {

/// Tiles that keep W streaming: the widest vocab tile that leaves several stages, rows rounded up to the batch.
MmaSyncSchedule mma_sync_schedule(const Problem& problem, const Target& target) {
  const bool roomy = target.gpu().shared_bytes >= 160 * 1024;
  MmaSyncSchedule s;
  s.block_batch = problem.max_rows <= 16 ? 16 : problem.max_rows <= 32 ? 32 : 64;
  s.block_vocab = roomy ? 256 : 128;
  s.warps_m = s.block_batch >= 32 ? 2 : 1;
  s.warps_n = s.block_vocab / 64;
  s.copy_bytes = std::min(problem.weights_alignment, 16);
  // What the row table and the exchange of states may take beside the stages; plans of the built-in Programs need less.
  const int reserve = 12 * 1024;
  const int stage = (s.block_batch + s.block_vocab) * 128;
  s.stages = std::clamp((target.gpu().shared_bytes - reserve) / stage, 2, 8);
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
