#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

namespace gumtile::cpu {

/// What control groups, which containers are made of, allow this process. Nothing: no limit.
struct CgroupLimits {
  std::optional<double> cpus;                 ///< CPU time per time, of the tightest quota
  std::optional<uint64_t> memory_bytes;       ///< of the tightest limit
  std::optional<uint64_t> memory_free_bytes;  ///< the least that any group has left
};

/// Reads /proc/self/cgroup and /proc/self/mountinfo, and the files of the groups that they lead to: of
/// versions 1 and 2, from this process's group up to the topmost one that is mounted. What cannot be read
/// limits nothing. `root` stands before every path, for tests. Takes some 100 us.
CgroupLimits cgroup_limits(const std::filesystem::path& root = "/");

}  // namespace gumtile::cpu
