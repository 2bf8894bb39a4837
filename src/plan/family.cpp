#include "plan/family.h"

#include <iterator>
#include <variant>

namespace gumtile {
namespace {

constexpr const Family* kFamilies[] = {&kHostFamily, &kSimtFamily, &kMmaSyncFamily, &kWgmmaFamily};
static_assert(std::size(kFamilies) == std::variant_size_v<decltype(Schedule::family)>);

}  // namespace

std::span<const Family* const> families() { return kFamilies; }

const Family& family_of(const Schedule& schedule) { return *kFamilies[schedule.family.index()]; }

}  // namespace gumtile
