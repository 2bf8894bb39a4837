#include "runtime/pack/host_variants.h"

#include <algorithm>

#include "gumtile/pack.h"

namespace gumtile {
namespace pack {

const std::vector<std::string>& host_variants() {
  static const std::vector<std::string> kVariants = {
#ifdef __x86_64__
      "x86-64-v2", "x86-64-v3", "x86-64-v4", "x86-64-v4+avx512bf16"
#endif
  };
  return kVariants;
}

std::vector<std::string> runnable_variants(const cpu::CpuInfo& info) {
  std::vector<std::string> runnable;
  for (const std::string& variant : host_variants()) {
    const int level = variant[std::string_view("x86-64-v").size()] - '0';
    if (level > info.x86_level || (variant.ends_with("+avx512bf16") && !info.avx512bf16)) continue;
    runnable.insert(runnable.begin(), variant);
  }
  return runnable;
}

}  // namespace pack

namespace {

std::vector<Target> targets_of(const std::vector<std::string>& variants) {
  std::vector<Target> targets;
  for (const std::string& variant : variants) {
    Target target;
    target.cpu = variant;
    targets.push_back(std::move(target));
  }
  return targets;
}

}  // namespace

std::vector<Target> host_pack_targets() { return targets_of(pack::host_variants()); }
std::vector<Target> runnable_host_targets() { return targets_of(pack::runnable_variants(cpu::cpu_info())); }

}  // namespace gumtile
