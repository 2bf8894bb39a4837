#include "plan/family.h"

namespace gumtile {
namespace {

constexpr ScheduleField kFields[] = {
    {.prefix = "b", .first = member<&WgmmaSchedule::block_batch>},
    {.prefix = "v", .first = member<&WgmmaSchedule::block_vocab>},
    {.prefix = "k", .first = member<&WgmmaSchedule::block_k>},
    {.prefix = "stages=", .first = member<&WgmmaSchedule::stages>},
    {.prefix = "wg=",
     .first = member<&WgmmaSchedule::warpgroups_m>,
     .second = member<&WgmmaSchedule::warpgroups_n>},
    {.prefix = "cluster=",
     .first = member<&WgmmaSchedule::cluster_m>,
     .second = member<&WgmmaSchedule::cluster_n>},
    {.prefix = "l2=", .first = member<&WgmmaSchedule::l2_promotion>},
    {.prefix = "box=", .first = member<&WgmmaSchedule::box_rows>},
    {.prefix = "turns=", .first = member<&WgmmaSchedule::turns>, .is_optional = true},
};

}  // namespace

constinit const Family kWgmmaFamily = {.name = "wgmma", .defaults = {WgmmaSchedule{}}, .fields = kFields};

}  // namespace gumtile
