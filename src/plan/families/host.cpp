#include <fmt/format.h>

#include "plan/family.h"
#include "plan/schedule_space.h"

namespace gumtile {
namespace {

/// The number of f32s in the widest vectors that code for a CPU uses. Memory is laid out for them on every
/// CPU, so that a launch is the same whatever vectors its kernel uses. A kernel with narrower vectors, or one
/// that stages 16-bit elements, leaves some of it unused.
constexpr int kWidestVector = 16;

constexpr ScheduleField kFields[] = {
    {.prefix = "b",
     .text = "rows that share one pass over a tile of the weights",
     .first = member<&HostSchedule::block_rows>,
     .values = {.any_of = {1, 2, 4}},
     .searched = {1, 2, 4}},
    {.prefix = "v",
     .text = "columns per tile",
     .first = member<&HostSchedule::block_vocab>,
     .values = {.multiple_of = 256, .most = 4096},
     .searched = {256, 512}},
};

std::string why_not(const PlanInput& input) {
  return input.target.is_cuda() ? fmt::format("the host family cannot run on {}", input.target.str()) : "";
}

std::string check(const PlanInput& /*input*/, const Schedule& /*schedule*/) { return ""; }

void lay_out(KernelPlan& plan) {
  const auto& s = std::get<HostSchedule>(plan.schedule.family);
  LaunchSpec& launch = plan.launch;
  plan.tile_columns = s.block_vocab;
  launch.rows_per_block = s.block_rows;
  launch.columns_per_unit = s.block_vocab;
  launch.host_state_words = plan.row_table_words + plan.record_words * kWidestVector;
  if (plan.analysis->contraction == kNone) return;
  plan.stages_left = true;
  launch.stage = plan.name + "_stage";
  launch.must_stage = true;
  launch.staged_dtype = DType::f32;
  constexpr int64_t kChunk = 2 * kWidestVector;
  launch.staged_stride = (plan.problem.contracted + kChunk - 1) / kChunk * kChunk;
}

Schedule suggest(const PlanInput& /*input*/, const Card& /*card*/) { return {HostSchedule{}}; }

void search(ScheduleSpace& space) {
  for (const Schedule& schedule : variants(kFields, kHostFamily.defaults)) space.add(schedule);
}

double cost(const Schedule& /*schedule*/, const Problem& /*problem*/, const Card& /*card*/) { return 1; }

}  // namespace

constinit const Family kHostFamily = {
    .name = "host",
    .defaults = {HostSchedule{}},
    .fields = kFields,
    .why_not = why_not,
    .check = check,
    .lay_out = lay_out,
    .suggest = suggest,
    .search = search,
    .cost = cost,
};

}  // namespace gumtile
