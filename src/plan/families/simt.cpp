#include "plan/family.h"

namespace gumtile {
namespace {

constexpr ScheduleField kFields[] = {
    {.prefix = "b", .first = member<&SimtSchedule::block_batch>},
    {.prefix = "v", .first = member<&SimtSchedule::block_vocab>},
    {.prefix = "k", .first = member<&SimtSchedule::block_k>},
};

}  // namespace

constinit const Family kSimtFamily = {.name = "simt", .defaults = {SimtSchedule{}}, .fields = kFields};

}  // namespace gumtile
