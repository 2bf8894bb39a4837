#include <fmt/format.h>

#include <algorithm>

#include "plan/families/cost_model.h"
#include "plan/families/tensor_cores.h"
#include "plan/family.h"
#include "plan/schedule_space.h"

namespace gumtile {
namespace {

constexpr ScheduleField kFields[] = {
    {.prefix = "b",
     .text = "rows per block",
     .first = member<&MmaSyncSchedule::block_rows>,
     .values =
         {.multiple_of = 16, .most = 256, .per = member<&MmaSyncSchedule::warps_m>, .unit = "rows a warp"},
     .searched = {16, 32, 64, 128}},
    {.prefix = "v",
     .text = "columns per tile",
     .first = member<&MmaSyncSchedule::block_vocab>,
     .values =
         {.multiple_of = 64, .most = 512, .per = member<&MmaSyncSchedule::warps_n>, .unit = "columns a warp"},
     .searched = {64, 128, 256}},
    {.prefix = "stages=",
     .text = "pipeline stages, each 128 bytes of the contracted axis per row",
     .first = member<&MmaSyncSchedule::stages>,
     .values = {.least = 2, .most = 16},
     .searched = {2, 4, 8},
     .varies_fastest = true},
    {.prefix = "warps=",
     .text = "warps along rows and columns",
     .first = member<&MmaSyncSchedule::warps_m>,
     .second = member<&MmaSyncSchedule::warps_n>,
     .values = {.most = 16, .unit = "warps"},
     .searched = {1, 2, 4}},
    {.prefix = "copy=",
     .text = "bytes per copy of the weights; must divide their address and row stride",
     .first = member<&MmaSyncSchedule::copy_bytes>,
     .values = {.any_of = {16, 8, 4, 2}}},
};

std::string why_not(const PlanInput& input) {
  if (!input.target.is_cuda()) return "the mma_sync family needs a GPU target";
  if (!input.target.gpu().async_copy)
    return fmt::format("{} has no cp.async; mma_sync needs sm_80 or later", input.target.str());
  return why_no_atom(input, MmaKind::mma_sync);
}

std::string check(const PlanInput& input, const Schedule& schedule) {
  const auto& s = std::get<MmaSyncSchedule>(schedule.family);
  const int accumulators = s.block_rows / s.warps_m * (s.block_vocab / s.warps_n) / 32;
  if (accumulators > 128)
    return fmt::format("a warp's {} x {} tile takes {} accumulator registers a thread; at most 128",
                       s.block_rows / s.warps_m, s.block_vocab / s.warps_n, accumulators);
  if (input.problem.weights_alignment % s.copy_bytes != 0)
    return fmt::format("copy={} needs weights aligned to that; they are aligned to {} bytes", s.copy_bytes,
                       input.problem.weights_alignment);
  return "";
}

void lay_out(KernelPlan& plan) {
  const auto& s = std::get<MmaSyncSchedule>(plan.schedule.family);
  plan.atom = &atom_of(plan.program, *plan.analysis, MmaKind::mma_sync);
  plan.tile_columns = s.block_vocab;
  plan.launch.rows_per_block = s.block_rows;
  plan.launch.columns_per_unit = s.block_vocab;
  plan.threads = plan.consumers = 32 * s.warps_m * s.warps_n;
  plan.warps_n = s.warps_n;
  plan.fragment.rows = s.block_rows / s.warps_m / 8;
  plan.fragment.blocks = s.block_vocab / s.warps_n / 64;
  plan.shared_stage = (s.block_rows + s.block_vocab) * kMmaSyncRowBytes;
  plan.shared_row_table = plan.shared_stage * s.stages;
  stage_left_operand(plan);
  plan.launch.right_alignment = s.copy_bytes;
}

/// With tiles of 128 columns, several blocks or many stages fit on a multiprocessor. Measured on an H200 at
/// 151936 x 4096, in us: 16 rows 292-304 (256 columns: 302-312), 64 rows as two blocks of four warps 337 (one
/// block, 256 columns: 354), 128 rows 488 (as two passes of 64 rows: 547).
Schedule suggest(const PlanInput& input, const Card& /*card*/) {
  const Problem& problem = input.problem;
  MmaSyncSchedule s;
  s.block_rows = problem.max_rows <= 16   ? 16
                 : problem.max_rows <= 32 ? 32
                 : problem.max_rows <= 64 ? 64
                                          : 128;
  s.block_vocab = 128;
  s.warps_m = s.block_rows == 16 ? 1 : s.block_rows == 128 ? 4 : 2;
  s.warps_n = 2;
  s.copy_bytes = std::min(problem.weights_alignment, 16);
  // Bytes for the row table and the exchange of states besides the stages; the built-in Programs need less.
  // Two blocks share a multiprocessor if each still gets three stages.
  const int reserve = 96 * s.block_rows + 1024;
  const int stage = (s.block_rows + s.block_vocab) * kMmaSyncRowBytes;
  const int whole = (input.target.gpu().shared_bytes - reserve) / stage;
  const int half = ((input.target.gpu().shared_bytes - 1024) / 2 - reserve) / stage;
  const bool two_blocks = (s.block_rows == 32 || s.block_rows == 64) && half >= 3;
  s.stages = std::clamp(two_blocks ? half : whole, 2, 12);
  return {s};
}

void search(ScheduleSpace& space) {
  MmaSyncSchedule start;
  start.copy_bytes = std::min(space.input().problem.weights_alignment, 16);
  for (const Schedule& schedule : variants(kFields, {start})) space.add(schedule);
}

double cost(const Schedule& schedule, const Problem& problem, const Card& card) {
  const auto& s = std::get<MmaSyncSchedule>(schedule.family);
  const int warps = s.warps_m * s.warps_n;
  const double few_warps = warps < 4 ? 0.2 : 0;
  const double in_flight = s.stages * static_cast<double>((s.block_rows + s.block_vocab) * kMmaSyncRowBytes);
  const double shallow = in_flight < 48 * 1024 ? 0.2 : 0;
  const double blocks = cost_model::row_blocks(problem, s.block_rows);
  const double l2 = blocks * (1 + static_cast<double>(s.block_rows) / s.block_vocab);
  return cost_model::slowest(l2, 0.7 * s.block_rows * blocks) *
             cost_model::idle(problem, card, s.block_rows, s.block_vocab) +
         few_warps + shallow;
}

}  // namespace

constinit const Family kMmaSyncFamily = {
    .name = "mma_sync",
    .defaults = {MmaSyncSchedule{}},
    .fields = kFields,
    .why_not = why_not,
    .check = check,
    .lay_out = lay_out,
    .suggest = suggest,
    .search = search,
    .cost = cost,
};

}  // namespace gumtile
