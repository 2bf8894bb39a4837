#include <fmt/format.h>

#include "plan/family.h"

namespace gumtile {
namespace {

constexpr ScheduleField kFields[] = {
    {.prefix = "b", .first = member<&HostSchedule::block_batch>, .values = {.any_of = {1, 2, 4}}},
    {.prefix = "v",
     .first = member<&HostSchedule::block_vocab>,
     .values = {.multiple_of = 256, .most = 4096}},
};

std::string why_not(const PlanInput& input) {
  return input.target.is_cuda() ? fmt::format("the host family cannot run on {}", input.target.str()) : "";
}

std::string check(const PlanInput& /*input*/, const Schedule& /*schedule*/) { return ""; }

}  // namespace

constinit const Family kHostFamily = {
    .name = "host",
    .defaults = {HostSchedule{}},
    .fields = kFields,
    .why_not = why_not,
    .check = check,
};

}  // namespace gumtile
