#include <fmt/format.h>

#include "plan/family.h"
#include "plan/schedule_space.h"

namespace gumtile {
namespace {

constexpr ScheduleField kFields[] = {
    {.prefix = "b",
     .text = "rows that share one pass over a tile of the weights",
     .first = member<&HostSchedule::block_batch>,
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

void lay_out(KernelPlan& plan, const ProgramAnalysis& analysis) {
  const auto& s = std::get<HostSchedule>(plan.schedule.family);
  plan.tile_columns = s.block_vocab;
  plan.stages_left = analysis.contraction != kNone;
  plan.launch.rows_per_block = s.block_batch;
  plan.launch.columns_per_tile = s.block_vocab;
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
