// Limits of control groups, read from trees that look like /proc and /sys/fs/cgroup.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "runtime/cpu/cgroup.h"
#include "runtime/cpu/cpu_info.h"
#include "runtime/cpu/memory_limit.h"
#include "tests/cache_fixture.h"

namespace gumtile::cpu {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kMiB = uint64_t{1} << 20;

class Tree {
 public:
  void put(const std::string& path, const std::string& text) {
    fs::create_directories((folder_ / path).parent_path());
    std::ofstream(folder_ / path) << text;
  }
  CgroupLimits limits() const { return cgroup_limits(folder_.path()); }

 private:
  test::TemporaryFolder folder_;
};

constexpr const char* kMountOf2 =
    "22 1 0:20 / /proc rw - proc proc rw\n"
    "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";

TEST_CASE("without control groups nothing is limited") {
  Tree tree;
  CHECK_FALSE(tree.limits().cpus);
  CHECK_FALSE(tree.limits().memory_bytes);
  tree.put("proc/self/cgroup", "0::/\n\n:\nnonsense\n7:cpu\n");
  tree.put("proc/self/mountinfo", "\n- cgroup2\n1 2 3 4 5 6 - cgroup2\n" + std::string(kMountOf2));
  CHECK_FALSE(tree.limits().cpus);
  tree.put("sys/fs/cgroup/cpu.max", "max 100000\n");
  tree.put("sys/fs/cgroup/memory.max", "max\n");
  CHECK_FALSE(tree.limits().cpus);
  CHECK_FALSE(tree.limits().memory_bytes);
}

TEST_CASE("version 2: the tightest limit of the group and of those above counts") {
  Tree tree;
  tree.put("proc/self/cgroup", "0::/pod/container/part\n");
  tree.put("proc/self/mountinfo", kMountOf2);
  tree.put("sys/fs/cgroup/pod/cpu.max", "150000 100000\n");
  tree.put("sys/fs/cgroup/pod/container/cpu.max", "max 100000\n");
  tree.put("sys/fs/cgroup/pod/container/part/cpu.max", "400000 100000\n");
  tree.put("sys/fs/cgroup/pod/memory.max", std::to_string(300 * kMiB) + "\n");
  tree.put("sys/fs/cgroup/pod/memory.current", std::to_string(250 * kMiB) + "\n");
  tree.put("sys/fs/cgroup/pod/memory.stat", "anon 1\nfile 2\ninactive_file " + std::to_string(60 * kMiB) +
                                                "\nactive_file " + std::to_string(20 * kMiB) +
                                                "\ntotal_active_file 9999\n");
  tree.put("sys/fs/cgroup/pod/container/memory.max", std::to_string(200 * kMiB) + "\n");
  const CgroupLimits limits = tree.limits();
  CHECK(limits.cpus == 1.5);
  CHECK(limits.memory_bytes == 200 * kMiB);
  CHECK(limits.memory_free_bytes == 130 * kMiB);  // 300 - 250 + 80 of files above; 200 in the group itself
}

TEST_CASE("version 1: each controller has a tree of its own") {
  Tree tree;
  tree.put("proc/self/cgroup", "9:name=systemd:/\n4:memory:/job/1\n2:cpuacct:/\n1:cpu,cpuset:/job/2\n0::/\n");
  tree.put("proc/self/mountinfo",
           "32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpuset,cpu\n"
           "33 31 0:30 / /sys/fs/cgroup/memory\\040of\\040all rw - cgroup cgroup rw,memory\n"
           "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
  tree.put("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
  tree.put("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  tree.put("sys/fs/cgroup/cpu/job/2/cpu.cfs_quota_us", "50000\n");
  tree.put("sys/fs/cgroup/cpu/job/2/cpu.cfs_period_us", "100000\n");
  tree.put("sys/fs/cgroup/memory of all/memory.limit_in_bytes", "9223372036854771712\n");
  tree.put("sys/fs/cgroup/memory of all/job/memory.limit_in_bytes", std::to_string(100 * kMiB) + "\n");
  tree.put("sys/fs/cgroup/memory of all/job/memory.usage_in_bytes", std::to_string(40 * kMiB) + "\n");
  tree.put("sys/fs/cgroup/memory of all/job/memory.stat",
           "inactive_file 1\ntotal_inactive_file " + std::to_string(10 * kMiB) + "\n");
  const CgroupLimits limits = tree.limits();
  CHECK(limits.cpus == 0.5);
  CHECK(limits.memory_bytes == 100 * kMiB);
  CHECK(limits.memory_free_bytes == 70 * kMiB);
}

TEST_CASE("in a container what is mounted is its own group") {
  Tree tree;
  tree.put("proc/self/cgroup", "0::/docker/0123/part\n");
  tree.put("proc/self/mountinfo", "30 23 0:26 /docker/0123 /sys/fs/cgroup ro - cgroup2 cgroup rw\n");
  tree.put("sys/fs/cgroup/part/cpu.max", "200000 100000\n");
  CHECK(tree.limits().cpus == 2.0);
  // A group that is not below the mounted one, or that only others can see: the topmost group counts.
  tree.put("sys/fs/cgroup/cpu.max", "300000 100000\n");
  tree.put("proc/self/cgroup", "0::/elsewhere\n");
  CHECK(tree.limits().cpus == 3.0);
  tree.put("proc/self/mountinfo", kMountOf2);
  tree.put("proc/self/cgroup", "0::/../../part\n");
  CHECK(tree.limits().cpus == 3.0);
}

TEST_CASE("a quota is a number of threads, rounded up, and never more than there are") {
  CHECK(threads_for(8, std::nullopt) == 8);
  CHECK(threads_for(8, 0.2) == 1);
  CHECK(threads_for(8, 1.0) == 1);
  CHECK(threads_for(8, 1.5) == 2);
  CHECK(threads_for(2, 16.0) == 2);
  CHECK(usable_threads() >= 1);
  CHECK(usable_threads() <= affinity_threads());
}

TEST_CASE("what fits is asked of the machine and of the groups") {
  CHECK(why_not_enough_memory(1).empty());
  const std::string why = why_not_enough_memory(uint64_t{1} << 60);
  CHECK(why.find("free") != std::string::npos);
}

}  // namespace
}  // namespace gumtile::cpu
