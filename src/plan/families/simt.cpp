#include "plan/family.h"

namespace gumtile {
namespace {

constexpr ScheduleField kFields[] = {
    {.prefix = "b", .first = member<&SimtSchedule::block_batch>, .values = {.any_of = {8, 16, 32}}},
    {.prefix = "v",
     .first = member<&SimtSchedule::block_vocab>,
     .values = {.any_of = {256}, .reason = "four warps of 64 columns"}},
    {.prefix = "k", .first = member<&SimtSchedule::block_k>, .values = {.any_of = {16, 32}}},
};

std::string why_not(const PlanInput& input) {
  return input.target.is_cuda() ? "" : "the simt family needs a GPU target";
}

std::string check(const PlanInput& /*input*/, const Schedule& /*schedule*/) { return ""; }

}  // namespace

constinit const Family kSimtFamily = {
    .name = "simt",
    .defaults = {SimtSchedule{}},
    .fields = kFields,
    .why_not = why_not,
    .check = check,
};

}  // namespace gumtile
