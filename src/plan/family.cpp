#include "plan/family.h"

#include <algorithm>
#include <array>
#include <variant>

namespace gumtile {
namespace {

constexpr std::array kFamilies{&kHostFamily, &kSimtFamily, &kMmaSyncFamily, &kWgmmaFamily};
static_assert(kFamilies.size() == std::variant_size_v<decltype(Schedule::family)>);

constexpr auto kFastestFirst = [] {
  auto reversed = kFamilies;
  std::reverse(reversed.begin(), reversed.end());
  return reversed;
}();

}  // namespace

std::span<const Family* const> families() { return kFamilies; }
std::span<const Family* const> fastest_first() { return kFastestFirst; }

const Family& family_of(const Schedule& schedule) { return *kFamilies[schedule.family.index()]; }

}  // namespace gumtile
