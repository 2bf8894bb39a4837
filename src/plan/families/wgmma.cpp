#include <fmt/format.h>

#include "plan/families/tensor_cores.h"
#include "plan/family.h"

namespace gumtile {
namespace {

constexpr ScheduleField kFields[] = {
    {.prefix = "b",
     .first = member<&WgmmaSchedule::block_batch>,
     .values = {.any_of = {64, 128},
                .most = 256,
                .per = member<&WgmmaSchedule::warpgroups_m>,
                .unit = "warpgroups along the rows"}},
    {.prefix = "v",
     .first = member<&WgmmaSchedule::block_vocab>,
     .values = {.multiple_of = 64,
                .most = 256,
                .per = member<&WgmmaSchedule::warpgroups_n>,
                .unit = "columns a warpgroup"}},
    {.prefix = "k", .first = member<&WgmmaSchedule::block_k>, .values = {.any_of = {64, 128}}},
    {.prefix = "stages=", .first = member<&WgmmaSchedule::stages>, .values = {.least = 2, .most = 32}},
    {.prefix = "wg=",
     .first = member<&WgmmaSchedule::warpgroups_m>,
     .second = member<&WgmmaSchedule::warpgroups_n>,
     .values = {.most = 3, .unit = "consumer warpgroups", .times = member<&WgmmaSchedule::turns>}},
    {.prefix = "cluster=",
     .first = member<&WgmmaSchedule::cluster_m>,
     .second = member<&WgmmaSchedule::cluster_n>,
     .values = {.most = 2}},
    {.prefix = "l2=", .first = member<&WgmmaSchedule::l2_promotion>, .values = {.any_of = {64, 128, 256}}},
    {.prefix = "box=",
     .first = member<&WgmmaSchedule::box_rows>,
     .values = {.any_of = {32, 64, 128, 256}, .divides = member<&WgmmaSchedule::block_vocab>}},
    {.prefix = "turns=",
     .first = member<&WgmmaSchedule::turns>,
     .is_optional = true,
     .values = {.any_of = {1, 2}}},
};

std::string why_not(const PlanInput& input) {
  const Target& target = input.target;
  if (!target.is_cuda()) return "the wgmma family needs a GPU target";
  if (!target.suffix_a || !target.gpu().warpgroup_mma)
    return fmt::format("{} has no wgmma; sm_90a has", target.str());
  if (std::string reason = why_no_tensor_cores(input); !reason.empty()) return reason;
  if (input.problem.weights_alignment < 16)
    return fmt::format("TMA needs weights aligned to 16 bytes; they are aligned to {}",
                       input.problem.weights_alignment);
  return "";
}

std::string check(const PlanInput& /*input*/, const Schedule& schedule) {
  const auto& s = std::get<WgmmaSchedule>(schedule.family);
  const int warpgroups = s.warpgroups_m * s.warpgroups_n * s.turns;
  const int accumulators = s.block_batch / s.warpgroups_m * (s.block_vocab / s.warpgroups_n) / 128;
  // 65536 registers a multiprocessor, less what the producer warp holds.
  const int most = warpgroups <= 2 ? 128 : 64;
  if (accumulators > most)
    return fmt::format(
        "a warpgroup's {} x {} tile takes {} accumulator registers a thread; at most {} with {} warpgroups",
        s.block_batch / s.warpgroups_m, s.block_vocab / s.warpgroups_n, accumulators, most, warpgroups);
  return "";
}

}  // namespace

constinit const Family kWgmmaFamily = {
    .name = "wgmma",
    .defaults = {WgmmaSchedule{}},
    .fields = kFields,
    .why_not = why_not,
    .check = check,
};

}  // namespace gumtile
