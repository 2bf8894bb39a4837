#include "plan/family.h"

namespace gumtile {
namespace {

constexpr ScheduleField kFields[] = {
    {.prefix = "b", .first = member<&MmaSyncSchedule::block_batch>},
    {.prefix = "v", .first = member<&MmaSyncSchedule::block_vocab>},
    {.prefix = "stages=", .first = member<&MmaSyncSchedule::stages>},
    {.prefix = "warps=",
     .first = member<&MmaSyncSchedule::warps_m>,
     .second = member<&MmaSyncSchedule::warps_n>},
    {.prefix = "copy=", .first = member<&MmaSyncSchedule::copy_bytes>},
};

}  // namespace

constinit const Family kMmaSyncFamily = {
    .name = "mma_sync", .defaults = {MmaSyncSchedule{}}, .fields = kFields};

}  // namespace gumtile
