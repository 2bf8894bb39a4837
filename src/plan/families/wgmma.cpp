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
     .first = member<&WgmmaSchedule::block_rows>,
     .values = {.any_of = {64, 128},
                .most = 256,
                .per = member<&WgmmaSchedule::warpgroups_m>,
                .unit = "warpgroups along the rows"}},
    {.prefix = "v",
     .text = "columns per tile; the last tile of a block may be shorter",
     .first = member<&WgmmaSchedule::block_vocab>,
     .values = {.multiple_of = 64,
                .most = 256,
                .per = member<&WgmmaSchedule::warpgroups_n>,
                .unit = "columns a warpgroup"}},
    {.prefix = "k",
     .text = "elements of the contracted axis per stage",
     .first = member<&WgmmaSchedule::block_k>,
     .values = {.any_of = {64, 128}},
     .searched = {64, 128}},
    {.prefix = "stages=",
     .text = "stages of the ring in shared memory: what is in flight",
     .first = member<&WgmmaSchedule::stages>,
     .values = {.least = 2, .most = 32}},
    {.prefix = "wg=",
     .text = "consumer warpgroups along rows and columns",
     .first = member<&WgmmaSchedule::warpgroups_m>,
     .second = member<&WgmmaSchedule::warpgroups_n>,
     .values = {.most = 3, .unit = "consumer warpgroups", .times = member<&WgmmaSchedule::turns>}},
    {.prefix = "cluster=",
     .text = "blocks along the rows that share the weights by multicast; along the columns, that share the "
             "hidden states",
     .first = member<&WgmmaSchedule::cluster_m>,
     .second = member<&WgmmaSchedule::cluster_n>,
     .values = {.most = 2},
     .searched = {1, 2}},
    {.prefix = "l2=",
     .text = "bytes that L2 fetches at a read of the weights",
     .first = member<&WgmmaSchedule::l2_promotion>,
     .values = {.any_of = {64, 128, 256}},
     .searched = {128, 256}},
    {.prefix = "box=",
     .text = "rows of the weights per copy",
     .first = member<&WgmmaSchedule::box_rows>,
     .values = {.any_of = {32, 64, 128, 256}, .divides = member<&WgmmaSchedule::block_vocab>},
     .searched = {64, 128}},
    {.prefix = "turns=",
     .text =
         "how many times as many warpgroups take whole tiles in turn: while one multiplies, the other folds",
     .first = member<&WgmmaSchedule::turns>,
     .is_optional = true,
     .values = {.any_of = {1, 2}}},
};

std::string why_not(const PlanInput& input) {
  const Target& target = input.target;
  if (!target.is_cuda()) return "the wgmma family needs a GPU target";
  if (!target.suffix_a || !target.gpu().warpgroup_mma)
    return fmt::format("{} has no wgmma; sm_90a has", target.str());
  if (std::string reason = why_no_atom(input, MmaKind::wgmma); !reason.empty()) return reason;
  if (input.problem.weights_alignment < 16)
    return fmt::format("TMA needs weights aligned to 16 bytes; they are aligned to {}",
                       input.problem.weights_alignment);
  return "";
}

std::string check(const PlanInput& input, const Schedule& schedule) {
  const auto& s = std::get<WgmmaSchedule>(schedule.family);
  const MmaAtom& atom = atom_of(input.program, input.analysis, MmaKind::wgmma);
  const int columns = s.block_vocab / s.warpgroups_n;
  if (columns < atom.n_min || columns > atom.n_max)
    return fmt::format("a warpgroup multiplies {} columns; its instruction takes {} to {}", columns,
                       atom.n_min, atom.n_max);
  const int warpgroups = s.warpgroups_m * s.warpgroups_n * s.turns;
  const int accumulators = s.block_rows / s.warpgroups_m * (s.block_vocab / s.warpgroups_n) / 128;
  // 65536 registers per multiprocessor, less those that the producer warp holds.
  const int most = warpgroups <= 2 ? 128 : 64;
  if (accumulators > most)
    return fmt::format(
        "a warpgroup's {} x {} tile takes {} accumulator registers a thread; at most {} with {} warpgroups",
        s.block_rows / s.warpgroups_m, s.block_vocab / s.warpgroups_n, accumulators, most, warpgroups);
  return "";
}

/// Bytes per stage: both operands, for the block's rows and the tile's columns.
int stage_bytes(const WgmmaSchedule& s, const MmaAtom& atom) {
  return static_cast<int>(s.block_rows * row_bytes(atom.left, s.block_k) +
                          s.block_vocab * row_bytes(atom.right, s.block_k));
}

void lay_out(KernelPlan& plan) {
  const auto& s = std::get<WgmmaSchedule>(plan.schedule.family);
  LaunchSpec& launch = plan.launch;
  plan.atom = &atom_of(plan.program, *plan.analysis, MmaKind::wgmma);
  plan.tile_columns = s.block_vocab;
  plan.turns = s.turns;
  plan.consumers = 128 * s.warpgroups_m * s.warpgroups_n * s.turns;
  // Besides the consumers, one warp copies and the others compute the row table. They are a whole warpgroup
  // if registers have to move from it to the consumers.
  plan.threads = plan.consumers + (plan.consumers > 128 ? 128 : 96);
  plan.warps_n = s.warpgroups_n;
  const int m_tiles = s.block_rows / s.warpgroups_m / 64;
  plan.fragment.rows = 2 * m_tiles;
  plan.fragment.row_pair_step = 64;
  plan.fragment.blocks = s.block_vocab / s.warpgroups_n / 64;
  launch.rows_per_block = s.block_rows;
  // Pairs of blocks of 64 columns share random words if a lane holds both.
  launch.columns_per_unit = std::max(plan.fragment.blocks % 2 == 0 ? 128 : 64, s.box_rows);
  plan.shared_stage = stage_bytes(s, *plan.atom);
  plan.shared_barriers = plan.shared_stage * s.stages;
  // Two barriers per stage, one for the row table, and one per turn (consumers that take whole tiles in
  // turn).
  const int barriers = 2 * s.stages + 1 + (s.turns > 1 ? s.turns : 0);
  plan.shared_row_table = aligned(plan.shared_barriers + 8 * barriers, 128);
  stage_left_operand(plan);
  launch.right_alignment = 16;
  launch.cluster_m = s.cluster_m;
  launch.cluster_n = s.cluster_n;
  launch.tensor_maps = {{true, 64, 128}, {false, s.box_rows, s.l2_promotion}};
}

/// Fills shared memory with stages. What the row table and the exchange of states take besides is a guess
/// that the built-in Programs stay below. Measured, in us (tokens only):
/// - promoting L2 fetches to 256 bytes gains 5% on an H100 and loses 2.5 to 5% on an H200;
/// - 151936 x 4096, 256 rows: pairs that share the weights 451 (H100) and 446 (H200), no pairs 599 and 476;
/// - 128256 x 8192 on an H200: 64 rows in pairs 473, alone 479; 128 rows with 256 columns 498, with 128 503;
/// - 16032 x 8192 on an H100, one tile per multiprocessor: 256 rows with 256 columns 108.5, with 128 110.6;
/// 512 rows 186.6 and 191.6; 64 rows with two warpgroups along the columns 92.3, with one and in pairs 96.2;
/// - 16032 x 8192, 384 rows: 192 columns in pairs 176 on an H100 and 179 on an H200, 128 columns 185 and 183;
/// - boxes of 128, not 64, rows of the weights: up to 64 rows 0.5 to 1.5% less on an H200, equal on an H100.
Schedule suggest(const PlanInput& input, const Card& card) {
  const Problem& problem = input.problem;
  constexpr double kSlowMemory = 4.0e12;  // between an H100's 3.35 TB/s and an H200's 4.8 TB/s
  WgmmaSchedule s;
  const bool slow = card.memory_bytes_per_second != 0 && card.memory_bytes_per_second < kSlowMemory;
  const bool deep = problem.contracted > 6144;
  s.l2_promotion = slow ? 256 : 128;
  s.block_rows = problem.max_rows <= 64 ? 64 : 128;
  s.warpgroups_m = s.block_rows / 64;
  s.block_vocab = problem.max_rows <= 128 ? 128 : 256;
  s.box_rows = problem.max_rows <= 64 ? 128 : 64;
  // Blocks in pairs share the weights if they hold two parts of a batch; otherwise they share the hidden
  // states. With an odd number of blocks along the rows, one block of a pair would have no rows.
  const int64_t row_blocks = std::max<int64_t>(1, (problem.max_rows + s.block_rows - 1) / s.block_rows);
  if (problem.max_rows > 128)
    (row_blocks % 2 == 0 ? s.cluster_m : s.cluster_n) = 2;
  else if (problem.max_rows > 64 || (problem.max_rows > 32 && deep))
    s.cluster_n = 2;
  if (problem.max_rows > 64 && problem.max_rows <= 128 && deep && !slow) s.block_vocab = 256;
  // Narrower tiles are used if they keep more multiprocessors busy; wide ones read less from L2.
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
  // If a block has a single tile, no work overlaps with its epilogue, so two warpgroups share it.
  if (s.block_rows == 64 && s.block_vocab == 128 && columns_in_turn(128) == 128) {
    s.warpgroups_n = 2;
    s.cluster_n = 1;
  }
  s.box_rows = std::min(s.box_rows, s.block_vocab);
  const int reserve = 64 * s.block_rows + 1024;
  s.stages = std::clamp((input.target.gpu().shared_bytes - reserve) /
                            stage_bytes(s, atom_of(input.program, input.analysis, MmaKind::wgmma)),
                        2, 32);
  return {s};
}

/// Whether consumers that take turns avoid spills. They spill if single columns have bounds, or if states
/// that are not packed come together with tests of single columns.
bool leaves_registers(const PlanInput& input, const Schedule& schedule) {
  const Program& program = input.program;
  const Problem& problem = input.problem;
  const KernelPlan plan = make_plan(input, schedule);
  if (plan.bounded >= 0) {
    const NodeId id = plan.analysis->sweep_reductions[static_cast<size_t>(plan.bounded)];
    if (reduction_level(program, program.reductions[program.nodes[id].imm]) != Level::group) return false;
  }
  const bool is_whole = problem.columns % 64 == 0 && problem.first_column % 64 == 0;
  return is_whole || plan.join == Join::packed;
}

/// Adds a schedule with all stages that fit, and one with half of them: more bytes in flight are not always
/// better.
void add_stages(ScheduleSpace& space, WgmmaSchedule s) {
  s.stages = 32;
  while (s.stages >= 2 && !space.is_legal({s})) --s.stages;
  if (s.stages < 2 || (s.turns > 1 && !leaves_registers(space.input(), {s}))) return;
  space.add({s});
  if (s.stages < 8) return;
  s.stages /= 2;
  space.add({s});
}

void search(ScheduleSpace& space) {
  struct Shape {
    int block_rows, block_vocab, warpgroups_m, warpgroups_n, turns = 1;
  };
  // Left out, since some epilogues spill with so many accumulators and so few registers: 256 x 128 as 2x1,
  // 128 x 256 as 1x2, 192 x 128 as 3x1. On an H200 256 x 128 took 454 us for 256 rows of 151936 x 4096, 128 x
  // 256 as 2x1 in pairs 446.
  constexpr Shape kShapes[] = {
      {64, 64, 1, 1},   {64, 128, 1, 1}, {64, 192, 1, 1},  {64, 256, 1, 1},
      {64, 128, 1, 2},  {64, 256, 1, 2}, {64, 192, 1, 3},  {128, 64, 1, 1},
      {128, 128, 1, 1}, {128, 64, 2, 1}, {128, 128, 2, 1}, {128, 192, 2, 1},
      {128, 256, 2, 1}, {192, 64, 3, 1}, {256, 64, 2, 1},  {128, 128, 1, 1, 2},
  };
  const int64_t max_rows = space.input().problem.max_rows;
  for (const Shape& shape : kShapes) {
    // Either the smallest number of rows that covers the batch, or several blocks of many rows.
    if (shape.block_rows == 64 && max_rows > 64) continue;
    if (shape.block_rows >= 192 && max_rows <= 128) continue;
    WgmmaSchedule start;
    start.block_rows = shape.block_rows;
    start.block_vocab = shape.block_vocab;
    start.warpgroups_m = shape.warpgroups_m;
    start.warpgroups_n = shape.warpgroups_n;
    start.turns = shape.turns;
    for (const Schedule& schedule : variants(kFields, {start})) {
      const auto& s = std::get<WgmmaSchedule>(schedule.family);
      if (s.cluster_m > 1 && max_rows <= s.block_rows) continue;
      if (s.block_k == 128 && (s.box_rows == 128 || s.warpgroups_n > 1)) continue;
      // Narrow tiles reread much, and in pairs along the columns some epilogues spill.
      if (s.turns > 1 && (s.block_k == 128 || s.cluster_m == 1)) continue;
      add_stages(space, s);
    }
  }
}

double cost(const Schedule& schedule, const Problem& problem, const Card& card) {
  constexpr double kManyElements = 60 * 1024;
  const auto& s = std::get<WgmmaSchedule>(schedule.family);
  // Rows beyond the batch are not read.
  const auto rows = static_cast<double>(std::min<int64_t>(s.block_rows, problem.max_rows));
  // Two tiles in flight count as one of their joint width: hiding their epilogues outweighs the additional
  // reads.
  const double columns = s.block_vocab * s.cluster_n * s.turns;
  const double blocks = cost_model::row_blocks(problem, s.block_rows);
  const double l2 = blocks * (1.0 / s.cluster_m + rows / columns);
  // Small terms that order the variants of a shape, so that not all variants are tried of a shape that loses
  // by more.
  const WgmmaSchedule usual;
  const double in_flight = 1.0 * s.stages * (s.block_rows + s.block_vocab) * s.block_k;
  double variant = 0;
  if (s.box_rows != usual.box_rows) variant += 0.02;
  if (s.block_k != usual.block_k) variant += 0.02;
  if (in_flight < kManyElements) variant += 0.05;
  if (s.block_rows > 64 && problem.max_rows <= 64) variant += 0.2;
  // If there is little to share, it does not make up for the waits in a pair.
  if (s.cluster_n > 1 && problem.max_rows <= 16) variant += 0.1;
  if (s.cluster_m > 1 && s.cluster_n > 1) variant += 0.05;
  return cost_model::slowest(l2, s.block_rows * blocks) *
             cost_model::idle(problem, card, s.block_rows, s.block_vocab) +
         variant;
}

}  // namespace

constinit const Family kWgmmaFamily = {
    .name = "wgmma",
    .defaults = {WgmmaSchedule{}},
    .fields = kFields,
    .why_not = why_not,
    .check = check,
    .lay_out = lay_out,
    .suggest = suggest,
    .search = search,
    .cost = cost,
};

}  // namespace gumtile
