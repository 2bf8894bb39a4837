#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace gumtile::cpu {

/// The limits that control groups, as containers use them, set for this process. Nothing: no limit.
struct CgroupLimits {
  std::optional<double> cpus;                 ///< CPU time per wall time, of the tightest quota
  std::optional<uint64_t> memory_bytes;       ///< of the tightest limit
  std::optional<uint64_t> memory_free_bytes;  ///< the least that any group has left
};

/// Reads /proc/self/cgroup and /proc/self/mountinfo, and the files of the groups that they name: of versions
/// 1 and 2, from this process's group up to the topmost one that is mounted. A file that cannot be read sets
/// no limit. `root` is prepended to every path, for tests. Takes about 100 us.
CgroupLimits cgroup_limits(const std::filesystem::path& root = "/");

}  // namespace gumtile::cpu
