#include "plan/families/cost_model.h"
#include "plan/family.h"
#include "plan/schedule_space.h"

namespace gumtile {
namespace {

constexpr ScheduleField kFields[] = {
    {.prefix = "b",
     .text = "rows per block",
     .first = member<&SimtSchedule::block_rows>,
     .values = {.any_of = {8, 16, 32}},
     .searched = {8, 16, 32}},
    {.prefix = "v",
     .text = "columns per tile",
     .first = member<&SimtSchedule::block_vocab>,
     .values = {.any_of = {256}, .reason = "four warps of 64 columns"}},
    {.prefix = "k",
     .text = "elements of the contracted axis per step",
     .first = member<&SimtSchedule::block_k>,
     .values = {.any_of = {16, 32}},
     .searched = {16, 32}},
};

std::string why_not(const PlanInput& input) {
  return input.target.is_cuda() ? "" : "the simt family needs a GPU target";
}

std::string check(const PlanInput& /*input*/, const Schedule& /*schedule*/) { return ""; }

void lay_out(KernelPlan& plan) {
  const auto& s = std::get<SimtSchedule>(plan.schedule.family);
  LaunchSpec& launch = plan.launch;
  plan.tile_columns = s.block_vocab;
  launch.rows_per_block = s.block_rows;
  launch.columns_per_unit = s.block_vocab;
  plan.threads = plan.consumers = 128;
  plan.warps_n = 4;
  plan.fragment.rows = s.block_rows / 8;
  const int rows = plan.analysis->contraction == kNone ? 0 : s.block_rows + s.block_vocab;
  plan.shared_pitch = (s.block_k + 1) * 4;  // one word more than a row: no bank conflicts
  plan.shared_stage = rows * plan.shared_pitch;
  plan.shared_row_table = aligned(plan.shared_stage, 128);
  if (launch.left_index >= 0) {
    // Rows are gathered without conversion: the loop converts them itself.
    plan.stages_left = true;
    launch.stage = plan.name + "_stage";
    launch.staged_dtype =
        plan.program.inputs[plan.program.contractions[plan.analysis->contraction].left].dtype;
    launch.staged_stride = plan.problem.contracted;
  }
}

Schedule suggest(const PlanInput& input, const Card& /*card*/) {
  SimtSchedule s;
  s.block_rows = input.problem.max_rows <= 8 ? 8 : input.problem.max_rows <= 16 ? 16 : 32;
  return {s};
}

void search(ScheduleSpace& space) {
  for (const Schedule& schedule : variants(kFields, kSimtFamily.defaults)) space.add(schedule);
}

double cost(const Schedule& schedule, const Problem& problem, const Card& /*card*/) {
  return cost_model::row_blocks(problem, std::get<SimtSchedule>(schedule.family).block_rows);
}

}  // namespace

constinit const Family kSimtFamily = {
    .name = "simt",
    .defaults = {SimtSchedule{}},
    .fields = kFields,
    .why_not = why_not,
    .check = check,
    .lay_out = lay_out,
    .suggest = suggest,
    .search = search,
    .cost = cost,
};

}  // namespace gumtile
