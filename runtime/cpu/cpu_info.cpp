#include "runtime/cpu/cpu_info.h"

#include <fmt/format.h>
#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdint>
#include <fstream>
#include <initializer_list>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "runtime/cpu/cgroup.h"

#ifdef __x86_64__
#include <cpuid.h>

#include <cstring>
#endif

namespace gumtile::cpu {
namespace {

/// The CPUs of this process's affinity mask; empty if the system does not say.
std::vector<int> affinity_cpus() {
  // The kernel refuses (EINVAL) a set smaller than its own, and that may exceed cpu_set_t's 1024.
  for (size_t capacity = CPU_SETSIZE; capacity <= size_t{1} << 20; capacity *= 2) {
    cpu_set_t* set = CPU_ALLOC(capacity);
    if (set == nullptr) return {};
    const size_t set_bytes = CPU_ALLOC_SIZE(capacity);
    CPU_ZERO_S(set_bytes, set);
    const bool known = sched_getaffinity(0, set_bytes, set) == 0;
    const bool too_small = !known && errno == EINVAL;
    std::vector<int> cpus;
    for (size_t cpu = 0; known && cpu < capacity; ++cpu) {
      if (CPU_ISSET_S(cpu, set_bytes, set)) cpus.push_back(static_cast<int>(cpu));
    }
    CPU_FREE(set);
    if (!too_small) return cpus;
  }
  return {};
}

int read_int(const std::string& path, int otherwise) {
  std::ifstream file(path);
  int value = otherwise;
  return file >> value ? value : otherwise;
}

int count_physical_cores(const std::vector<int>& cpus) {
  std::set<std::pair<int, int>> cores;
  for (const int cpu : cpus) {
    const std::string folder = fmt::format("/sys/devices/system/cpu/cpu{}/topology/", cpu);
    const int core = read_int(folder + "core_id", -1);
    // Without topology every CPU counts as a core.
    cores.emplace(read_int(folder + "physical_package_id", 0), core >= 0 ? core : -1 - cpu);
  }
  return std::max(1, static_cast<int>(cores.size()));
}

size_t cache_bytes(int sysconf_name) {
  const long bytes = sysconf(sysconf_name);
  return bytes > 0 ? static_cast<size_t>(bytes) : 0;
}

/// The first "model name" (or an equivalent member) of /proc/cpuinfo.
std::string brand_from_proc() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with("model name") && !line.starts_with("Model") && !line.starts_with("uarch")) continue;
    const size_t colon = line.find(": ");
    if (colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown";
}

#ifdef __x86_64__

struct Registers {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
};

/// CPUID; zeros for a leaf that the processor lacks.
Registers cpuid(unsigned leaf, unsigned subleaf = 0) {
  Registers r;
  if (__get_cpuid_count(leaf, subleaf, &r.eax, &r.ebx, &r.ecx, &r.edx) == 0) return {};
  return r;
}

constexpr bool bit(uint64_t value, int index) { return ((value >> index) & 1) != 0; }

/// The register sets that the operating system saves (XCR0). Only valid if CPUID reports OSXSAVE.
uint64_t enabled_register_sets() {
  uint32_t low = 0;
  uint32_t high = 0;
  asm volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return uint64_t{high} << 32 | low;
}

std::string brand_from_cpuid() {
  if (cpuid(0x80000000U).eax < 0x80000004U) return {};
  char text[49] = {};
  for (unsigned part = 0; part < 3; ++part) {
    const Registers r = cpuid(0x80000002U + part);
    std::memcpy(text + 16 * part, &r, 16);
  }
  std::string brand(text);
  brand.erase(0, brand.find_first_not_of(' '));
  brand.erase(brand.find_last_not_of(' ') + 1);
  return brand;
}

/// The level according to the x86-64 psABI, section 3.1.1 (Low-Level System Information).
int x86_level(const Registers& leaf1, const Registers& leaf7, const Registers& extended, bool ymm, bool zmm) {
  const auto all = [](unsigned value, std::initializer_list<int> bits) {
    return std::all_of(bits.begin(), bits.end(), [&](int index) { return bit(value, index); });
  };
  // SSE3, SSSE3, CMPXCHG16B, SSE4.1, SSE4.2, POPCNT; LAHF/SAHF.
  if (!all(leaf1.ecx, {0, 9, 13, 19, 20, 23}) || !bit(extended.ecx, 0)) return 1;
  // FMA, MOVBE, OSXSAVE, AVX, F16C; BMI1, AVX2, BMI2; LZCNT.
  if (!ymm || !all(leaf1.ecx, {12, 22, 27, 28, 29}) || !all(leaf7.ebx, {3, 5, 8}) || !bit(extended.ecx, 5))
    return 2;
  // AVX512F, DQ, CD, BW, VL.
  return zmm && all(leaf7.ebx, {16, 17, 28, 30, 31}) ? 4 : 3;
}

/// Bits from the Intel SDM, volume 2A, CPUID, and volume 1, section 13.1 (state components).
void fill_features(CpuInfo& info) {
  const Registers leaf1 = cpuid(1);
  const Registers extended = cpuid(0x80000001U);
  info.x86_level = x86_level(leaf1, {}, extended, false, false);
  if (!bit(leaf1.ecx, 27)) return;  // OSXSAVE
  const uint64_t saved = enabled_register_sets();
  const bool ymm = (saved & 0x6) == 0x6;
  const bool zmm = (saved & 0xe6) == 0xe6;
  const bool tiles = (saved & 0x60000) == 0x60000;
  const Registers leaf7 = cpuid(7, 0);
  const Registers leaf7_1 = leaf7.eax >= 1 ? cpuid(7, 1) : Registers{};

  info.x86_level = x86_level(leaf1, leaf7, extended, ymm, zmm);
  info.avx2 = ymm && bit(leaf7.ebx, 5);
  info.fma = ymm && bit(leaf1.ecx, 12);
  info.f16c = ymm && bit(leaf1.ecx, 29);
  info.avx512f = zmm && bit(leaf7.ebx, 16);
  info.avx512dq = info.avx512f && bit(leaf7.ebx, 17);
  info.avx512bw = info.avx512f && bit(leaf7.ebx, 30);
  info.avx512vl = info.avx512f && bit(leaf7.ebx, 31);
  info.avx512vnni = info.avx512f && bit(leaf7.ecx, 11);
  info.avx512fp16 = info.avx512f && bit(leaf7.edx, 23);
  info.avx512bf16 = info.avx512f && bit(leaf7_1.eax, 5);
  info.amx_tile = tiles && bit(leaf7.edx, 24);
  info.amx_bf16 = info.amx_tile && bit(leaf7.edx, 22);
  info.amx_int8 = info.amx_tile && bit(leaf7.edx, 25);
}

#else

std::string brand_from_cpuid() { return {}; }
void fill_features(CpuInfo&) {}

#endif

CpuInfo ask_system() {
  CpuInfo info;
  info.brand = brand_from_cpuid();
  if (info.brand.empty()) info.brand = brand_from_proc();
  info.affinity_threads = affinity_threads();
  info.physical_cores = count_physical_cores(affinity_cpus());
  info.l2_bytes = cache_bytes(_SC_LEVEL2_CACHE_SIZE);
  info.l3_bytes = cache_bytes(_SC_LEVEL3_CACHE_SIZE);
  fill_features(info);
  return info;
}

}  // namespace

const CpuInfo& cpu_info() {
  static const CpuInfo kInfo = ask_system();
  return kInfo;
}

int affinity_threads() {
  const size_t count = affinity_cpus().size();
  return count > 0 ? static_cast<int>(count)
                   : std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

int threads_for(int affinity, std::optional<double> quota) {
  // Rounded up: a thread that sometimes waits for the quota costs less than unused CPU time.
  if (!quota || *quota >= affinity) return affinity;
  return std::max(1, static_cast<int>(std::ceil(*quota)));
}

int usable_threads() { return threads_for(affinity_threads(), cgroup_limits().cpus); }

}  // namespace gumtile::cpu
