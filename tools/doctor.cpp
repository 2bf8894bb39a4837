#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <filesystem>
#include <optional>
#include <string>

#include "gumtile/assembler.h"
#include "gumtile/compiler.h"
#include "gumtile/error.h"
#include "gumtile/module_cache.h"
#include "gumtile/version.h"
#include "runtime/cpu/cgroup.h"
#include "runtime/cpu/cpu_info.h"
#include "runtime/cpu/memory_limit.h"
#include "runtime/cuda/device.h"
#include "tools/command.h"
#include "tools/help.h"
#include "tools/options.h"
#include "tools/output.h"
#include "tools/self_check.h"
#include "tools/units.h"

namespace gumtile::tools {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> cpu_features(const cpu::CpuInfo& info) {
  const std::pair<const char*, bool> features[] = {{"avx2", info.avx2},
                                                   {"fma", info.fma},
                                                   {"f16c", info.f16c},
                                                   {"avx512f", info.avx512f},
                                                   {"avx512dq", info.avx512dq},
                                                   {"avx512bw", info.avx512bw},
                                                   {"avx512vl", info.avx512vl},
                                                   {"avx512vnni", info.avx512vnni},
                                                   {"avx512bf16", info.avx512bf16},
                                                   {"avx512fp16", info.avx512fp16},
                                                   {"amx_tile", info.amx_tile},
                                                   {"amx_bf16", info.amx_bf16},
                                                   {"amx_int8", info.amx_int8}};
  std::vector<std::string> names;
  for (const auto& [name, present] : features)
    if (present) names.emplace_back(name);
  return names;
}

/// Whether files can be created in `folder`, which need not exist yet.
bool is_writable(fs::path folder) {
  std::error_code error;
  folder = fs::absolute(folder, error);
  while (!fs::exists(folder, error) && folder.has_relative_path()) folder = folder.parent_path();
  return fs::is_directory(folder, error) && access(folder.c_str(), W_OK | X_OK) == 0;
}

/// The folder of compiled kernels as an Engine would find it.
struct CacheFindings {
  fs::path folder;  ///< empty: there is none
  std::string why_not_used;
  bool writable = false;
  ModuleCacheContents contents;
};

CacheFindings examine_cache() {
  CacheFindings findings;
  ModuleCacheOptions options;
  options.log = [&](LogLevel, std::string_view message) { findings.why_not_used = message; };
  const ModuleCache cache(options);
  findings.contents = cache.contents();
  findings.folder = cache.folder().empty() ? default_cache_folder() : cache.folder();
  findings.writable = findings.why_not_used.empty() && is_writable(findings.folder);
  return findings;
}

/// "12.4"
std::string cuda_version(int version) { return fmt::format("{}.{}", version / 1000, version % 1000 / 10); }

struct Findings {
  std::vector<cuda::DeviceInfo> devices;
  std::string why_no_device;
  std::optional<std::string> assembler;  ///< the path of ptxas
  int threads = cpu::usable_threads();
  cpu::CgroupLimits limits = cpu::cgroup_limits();
  CacheFindings cache;
  std::vector<SelfCheck> checks;
};

Findings examine() {
  Findings findings;
  std::vector<std::string> ids{"cpu"};
  try {
    findings.devices = cuda::list_devices(&findings.why_no_device);
    for (const cuda::DeviceInfo& device : findings.devices)
      ids.push_back(fmt::format("cuda:{}", device.ordinal));
  } catch (const Error& error) {  // a driver that lists a device and fails to describe it
    findings.why_no_device = error.what();
    findings.checks.push_back({"cuda", error.what()});
  }
  findings.assembler = find_assembler();
  findings.cache = examine_cache();
  // Without a compiler there are no kernels to run as a check.
  if (!llvm_version().empty())
    for (const std::string& id : ids) findings.checks.push_back(self_check(id));
  return findings;
}

Json to_json(const Findings& findings) {
  const CacheFindings& cache = findings.cache;
  const cpu::CpuInfo& cpu = cpu::cpu_info();
  Json devices = Json::array();
  for (const cuda::DeviceInfo& d : findings.devices)
    devices.push_back({{"id", fmt::format("cuda:{}", d.ordinal)},
                       {"name", d.name},
                       {"sm", 10 * d.sm_major + d.sm_minor},
                       {"memory_bytes", d.memory_bytes},
                       {"multiprocessors", d.multiprocessors},
                       {"driver_version", cuda_version(d.driver_version)}});
  Json checks = Json::array();
  for (const SelfCheck& check : findings.checks)
    checks.push_back({{"device", check.device}, {"ok", check.fault.empty()}, {"fault", check.fault}});
  return {{"gumtile", GUMTILE_VERSION_STRING},
          {"llvm", llvm_version().empty() ? Json(nullptr) : Json(llvm_version())},
          {"cpu",
           {{"name", host_cpu_name()},
            {"brand", cpu.brand},
            {"features", cpu_features(cpu)},
            {"threads", findings.threads},
            {"affinity_threads", cpu.affinity_threads},
            {"quota_cpus", findings.limits.cpus ? Json(rounded(*findings.limits.cpus, 3)) : Json(nullptr)},
            {"cores", cpu.physical_cores},
            {"l2_bytes", cpu.l2_bytes},
            {"l3_bytes", cpu.l3_bytes},
            {"memory_bytes", cpu::memory_limit_bytes()},
            {"memory_limit_bytes",
             findings.limits.memory_bytes ? Json(*findings.limits.memory_bytes) : Json(nullptr)}}},
          {"devices", devices},
          {"assembler", findings.assembler ? Json(*findings.assembler) : Json(nullptr)},
          {"why_no_device", findings.devices.empty() ? Json(findings.why_no_device) : Json(nullptr)},
          {"cache",
           {{"path", cache.folder.empty() ? Json(nullptr) : Json(cache.folder.string())},
            {"used", cache.why_not_used.empty()},
            {"why_not_used", cache.why_not_used.empty() ? Json(nullptr) : Json(cache.why_not_used)},
            {"writable", cache.writable},
            {"entries", cache.contents.entries},
            {"bytes", cache.contents.bytes}}},
          {"checks", checks}};
}

std::string to_text(const Findings& findings) {
  const cpu::CpuInfo& cpu = cpu::cpu_info();
  std::string text =
      fmt::format("gumtile   {}\nLLVM      {}\nCPU       {} ({})\n", GUMTILE_VERSION_STRING,
                  llvm_version().empty() ? "none: this gumtile takes kernels from packs" : llvm_version(),
                  cpu.brand, host_cpu_name());
  text += fmt::format("          {} on {}: {}\n", count_text(cpu.affinity_threads, "thread"),
                      count_text(cpu.physical_cores, "core"), fmt::join(cpu_features(cpu), " "));
  if (findings.limits.cpus)
    text += fmt::format("          a quota of {:.3g} CPUs (control group): {} of {} used\n",
                        *findings.limits.cpus, findings.threads, count_text(cpu.affinity_threads, "thread"));
  if (findings.limits.memory_bytes)
    text += fmt::format("          a limit of {} of memory (control group)\n",
                        bytes_text(*findings.limits.memory_bytes));
  for (const cuda::DeviceInfo& d : findings.devices)
    text += fmt::format("cuda:{:<4} {}, sm_{}{}, {}, {}, driver for CUDA {}\n", d.ordinal, d.name, d.sm_major,
                        d.sm_minor, bytes_text(d.memory_bytes),
                        count_text(d.multiprocessors, "multiprocessor"), cuda_version(d.driver_version));
  if (findings.devices.empty()) text += fmt::format("GPU       none: {}\n", findings.why_no_device);
  text += fmt::format("assembler {}\n",
                      !findings.assembler ? "none: drivers assemble what is compiled"
                      : access(findings.assembler->c_str(), X_OK) == 0
                          ? *findings.assembler
                          : *findings.assembler + ", which is not a program that can be run (GUMTILE_PTXAS)");
  const CacheFindings& cache = findings.cache;
  text += cache.why_not_used.empty()
              ? fmt::format("cache     {} ({}; {}, {})\n", cache.folder.string(),
                            cache.writable ? "writable" : "not writable",
                            count_text(cache.contents.entries, "kernel"), bytes_text(cache.contents.bytes))
              : fmt::format("cache     not used: {}\n", cache.why_not_used);
  for (const SelfCheck& check : findings.checks)
    text += fmt::format("check     {}: {}\n", check.device, check.fault.empty() ? "ok" : check.fault);
  return text;
}

int run(bool json) {
  const Findings findings = examine();
  write_stdout(json ? json_text(to_json(findings)) : to_text(findings));
  for (const SelfCheck& check : findings.checks)
    if (!check.fault.empty()) return 1;
  return 0;
}

}  // namespace

Action add_doctor(CLI::App& app) {
  auto format = std::make_shared<std::string>();
  auto json = std::make_shared<bool>(false);
  add_format(app, *format, {"table", "json"});
  app.add_flag("--json", *json, "the same as --format json");
  app.footer(examples({"gumtile doctor", "gumtile doctor --json"}));
  return [format, json] { return run(*json || *format == "json"); };
}

}  // namespace gumtile::tools
