#include <fmt/format.h>

#include "plan/families/tensor_cores.h"
#include "plan/family.h"

namespace gumtile {
namespace {

constexpr ScheduleField kFields[] = {
    {.prefix = "b",
     .first = member<&MmaSyncSchedule::block_batch>,
     .values =
         {.multiple_of = 16, .most = 256, .per = member<&MmaSyncSchedule::warps_m>, .unit = "rows a warp"}},
    {.prefix = "v",
     .first = member<&MmaSyncSchedule::block_vocab>,
     .values = {.multiple_of = 64,
                .most = 512,
                .per = member<&MmaSyncSchedule::warps_n>,
                .unit = "columns a warp"}},
    {.prefix = "stages=", .first = member<&MmaSyncSchedule::stages>, .values = {.least = 2, .most = 16}},
    {.prefix = "warps=",
     .first = member<&MmaSyncSchedule::warps_m>,
     .second = member<&MmaSyncSchedule::warps_n>,
     .values = {.most = 16, .unit = "warps"}},
    {.prefix = "copy=", .first = member<&MmaSyncSchedule::copy_bytes>, .values = {.any_of = {16, 8, 4, 2}}},
};

std::string why_not(const PlanInput& input) {
  if (!input.target.is_cuda()) return "the mma_sync family needs a GPU target";
  if (!input.target.gpu().async_copy)
    return fmt::format("{} has no cp.async; mma_sync needs sm_80 or later", input.target.str());
  return why_no_tensor_cores(input);
}

std::string check(const PlanInput& input, const Schedule& schedule) {
  const auto& s = std::get<MmaSyncSchedule>(schedule.family);
  const int accumulators = s.block_batch / s.warps_m * (s.block_vocab / s.warps_n) / 32;
  if (accumulators > 128)
    return fmt::format("a warp's {} x {} tile takes {} accumulator registers a thread; at most 128",
                       s.block_batch / s.warps_m, s.block_vocab / s.warps_n, accumulators);
  if (input.problem.weights_alignment % s.copy_bytes != 0)
    return fmt::format("copy={} needs weights aligned to that; they are aligned to {} bytes", s.copy_bytes,
                       input.problem.weights_alignment);
  return "";
}

}  // namespace

constinit const Family kMmaSyncFamily = {
    .name = "mma_sync",
    .defaults = {MmaSyncSchedule{}},
    .fields = kFields,
    .why_not = why_not,
    .check = check,
};

}  // namespace gumtile
