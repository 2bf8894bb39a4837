#include "tools/tune/candidates.h"

#include <algorithm>
#include <map>
#include <utility>

#include "plan/family.h"

namespace gumtile::tools {
namespace {

Card card_of(const DeviceDescription& device) { return {device.workers, device.memory_bytes_per_second}; }

}  // namespace

Schedule heuristic_of(const Program& program, const Problem& problem, const DeviceDescription& device) {
  return default_schedule(program, problem, device.target, card_of(device));
}

std::vector<Schedule> tuning_candidates(const Program& program, const Problem& problem,
                                        const DeviceDescription& device, int count, bool all_families) {
  const Schedule heuristic = heuristic_of(program, problem, device);
  const Card card = card_of(device);
  std::map<size_t, std::vector<std::pair<double, Schedule>>> families;
  for (const Schedule& schedule : schedule_space(program, problem, device.target)) {
    const size_t family = schedule.family.index();
    if ((family == heuristic.family.index() || all_families) && schedule != heuristic)
      families[family].emplace_back(family_of(schedule).cost(schedule, problem, card), schedule);
  }
  std::vector<Schedule> candidates{heuristic};
  const auto add_family = [&](size_t family, int most) {
    auto& schedules = families[family];
    std::stable_sort(schedules.begin(), schedules.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    if (schedules.size() > static_cast<size_t>(most)) schedules.resize(static_cast<size_t>(most));
    for (const auto& [time, schedule] : schedules) candidates.push_back(schedule);
    schedules.clear();
  };
  add_family(heuristic.family.index(), count - 1);
  for (auto& [family, schedules] : families)
    if (!schedules.empty()) add_family(family, count);
  return candidates;
}

}  // namespace gumtile::tools
