#include "plan/family.h"

namespace gumtile {
namespace {

constexpr ScheduleField kFields[] = {
    {.prefix = "b", .first = member<&HostSchedule::block_batch>},
    {.prefix = "v", .first = member<&HostSchedule::block_vocab>},
};

}  // namespace

constinit const Family kHostFamily = {.name = "host", .defaults = {HostSchedule{}}, .fields = kFields};

}  // namespace gumtile
