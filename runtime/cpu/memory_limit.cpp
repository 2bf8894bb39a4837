#include "runtime/cpu/memory_limit.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <optional>

#include "runtime/cpu/cgroup.h"

namespace gumtile::cpu {
namespace {

/// A reserve for page tables, stacks, and a running compiler.
constexpr uint64_t kReserve = uint64_t{32} << 20;

uint64_t machine_bytes() {
  const long pages = sysconf(_SC_PHYS_PAGES);
  const long page_bytes = sysconf(_SC_PAGESIZE);
  return pages > 0 && page_bytes > 0 ? static_cast<uint64_t>(pages) * static_cast<uint64_t>(page_bytes) : 0;
}

/// The memory that the machine still has, including swap; nothing if the system does not say.
std::optional<uint64_t> machine_free_bytes() {
  std::ifstream file("/proc/meminfo");
  std::optional<uint64_t> free;
  uint64_t swap = 0;
  uint64_t kib = 0;
  std::string unit;
  for (std::string name; file >> name >> kib && std::getline(file, unit);) {
    if (name == "MemAvailable:") free = kib << 10;
    if (name == "SwapFree:") swap = kib << 10;
  }
  if (free) *free += swap;
  return free;
}

std::string mib(uint64_t bytes) { return fmt::format("{:.0f} MiB", static_cast<double>(bytes) / (1 << 20)); }

}  // namespace

uint64_t memory_limit_bytes() {
  const uint64_t machine = machine_bytes();
  const std::optional<uint64_t> group = cgroup_limits().memory_bytes;
  if (!group) return machine;
  return machine == 0 ? *group : std::min(machine, *group);
}

std::string why_not_enough_memory(uint64_t bytes) {
  const auto fits = [&](uint64_t free) { return bytes <= free && free - bytes >= kReserve; };
  const CgroupLimits group = cgroup_limits();
  if (group.memory_free_bytes && !fits(*group.memory_free_bytes))
    return fmt::format(
        "{} more do not fit into the memory limit of the control group (container): {} of {} are free; raise "
        "the "
        "limit",
        mib(bytes), mib(*group.memory_free_bytes), mib(group.memory_bytes.value_or(0)));
  const std::optional<uint64_t> free = machine_free_bytes();
  if (free && !fits(*free))
    return fmt::format("{} more do not fit into the machine's memory: {} of {} are free", mib(bytes),
                       mib(*free), mib(machine_bytes()));
  return {};
}

}  // namespace gumtile::cpu
