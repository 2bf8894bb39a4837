#include "runtime/cpu/cgroup.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace gumtile::cpu {
namespace {

namespace fs = std::filesystem;

/// A folder that shows control groups: that of `group` and those below.
struct Mount {
  bool version_2 = false;
  std::string group;    ///< what is mounted, as /proc/self/cgroup names groups
  std::string folder;   ///< where
  std::string options;  ///< of version 1: also the controllers
};

template <typename T>
void keep_least(std::optional<T>& least, T value) {
  least = least ? std::min(*least, value) : value;
}

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

bool contains(const std::string& comma_list, std::string_view name) {
  return std::ranges::any_of(split(comma_list, ','), [&](const std::string& part) { return part == name; });
}

/// mountinfo escapes blanks and similar characters as "\040".
std::string unescaped(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    int code = 0;
    if (text[i] == '\\' && i + 3 < text.size() &&
        std::from_chars(text.data() + i + 1, text.data() + i + 4, code, 8).ptr == text.data() + i + 4) {
      out += static_cast<char>(code);
      i += 3;
    } else {
      out += text[i];
    }
  }
  return out;
}

/// proc(5), /proc/[pid]/mountinfo: "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw".
std::vector<Mount> mounts(const fs::path& root) {
  std::vector<Mount> found;
  std::ifstream file(root / "proc/self/mountinfo");
  for (std::string line; std::getline(file, line);) {
    const std::vector<std::string> fields = split(line, ' ');
    const auto dash = std::ranges::find(fields, "-");
    if (fields.size() < 6 || fields.end() - dash < 4) continue;
    const std::string& type = dash[1];
    if (type != "cgroup" && type != "cgroup2") continue;
    found.push_back({type == "cgroup2", unescaped(fields[3]), unescaped(fields[4]), dash[3]});
  }
  return found;
}

/// The folders of this process's group and of the groups above it, as far as they are mounted.
std::vector<fs::path> folders(const fs::path& root, const Mount& mount, const std::string& group) {
  const fs::path top = root / fs::path(mount.folder).relative_path();
  std::string below = group;
  if (mount.group != "/") {
    // A container may see its own group, or a part of it, as the topmost group.
    const bool inside = group == mount.group || group.starts_with(mount.group + "/");
    below = inside ? group.substr(mount.group.size()) : "";
  }
  std::vector<fs::path> all{top};
  fs::path folder = top;
  for (const std::string& name : split(below, '/')) {
    if (name.empty()) continue;
    if (name == "..") break;  // a group that this process may not see
    folder /= name;
    all.push_back(folder);
  }
  return all;
}

std::string first_line(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

/// Nothing for "max", for -1 and for a missing file.
std::optional<uint64_t> number_in(const std::string& text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || (end != text.data() + text.size() && *end != ' ')) return std::nullopt;
  return value;
}
std::optional<uint64_t> number(const fs::path& path) { return number_in(first_line(path)); }

/// Pages of files: the system drops them before it kills a process.
uint64_t droppable_bytes(const fs::path& folder, bool version_2) {
  std::ifstream file(folder / "memory.stat");
  uint64_t sum = 0;
  uint64_t value = 0;
  for (std::string name; file >> name >> value;)
    for (const char* counted : {"inactive_file", "active_file"})
      if (name == (version_2 ? "" : "total_") + std::string(counted)) sum += value;
  return sum;
}

void read_cpu(CgroupLimits& limits, const fs::path& folder, bool version_2) {
  const std::string max = version_2 ? first_line(folder / "cpu.max") : "";
  const std::optional<uint64_t> quota = version_2 ? number_in(max) : number(folder / "cpu.cfs_quota_us");
  const std::optional<uint64_t> period = version_2
                                             ? number_in(max.substr(std::min(max.size(), max.find(' ') + 1)))
                                             : number(folder / "cpu.cfs_period_us");
  if (quota && period && *quota != 0 && *period != 0)
    keep_least(limits.cpus, static_cast<double>(*quota) / static_cast<double>(*period));
}

void read_memory(CgroupLimits& limits, const fs::path& folder, bool version_2) {
  constexpr uint64_t kNone = uint64_t{1} << 60;  // in version 1 a very large number means no limit
  const std::optional<uint64_t> limit = number(folder / (version_2 ? "memory.max" : "memory.limit_in_bytes"));
  if (!limit || *limit >= kNone) return;
  keep_least(limits.memory_bytes, *limit);
  const uint64_t used = number(folder / (version_2 ? "memory.current" : "memory.usage_in_bytes")).value_or(0);
  const uint64_t kept = used - std::min(used, droppable_bytes(folder, version_2));
  keep_least(limits.memory_free_bytes, *limit - std::min(*limit, kept));
}

}  // namespace

CgroupLimits cgroup_limits(const fs::path& root) {
  CgroupLimits limits;
  const std::vector<Mount> mounted = mounts(root);
  std::ifstream file(root / "proc/self/cgroup");
  // "4:cpu,cpuacct:/group" in version 1, "0::/group" in version 2.
  for (std::string line; std::getline(file, line);) {
    const size_t first = line.find(':');
    const size_t second = first == std::string::npos ? first : line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const std::string group = line.substr(second + 1);
    for (const Mount& mount : mounted) {
      if (mount.version_2 != controllers.empty()) continue;
      const auto has = [&](const char* name) {
        return mount.version_2 || (contains(controllers, name) && contains(mount.options, name));
      };
      for (const fs::path& folder : folders(root, mount, group)) {
        if (has("cpu")) read_cpu(limits, folder, mount.version_2);
        if (has("memory")) read_memory(limits, folder, mount.version_2);
      }
    }
  }
  return limits;
}

}  // namespace gumtile::cpu
