#include "gumtile/target.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>

#include "gumtile/error.h"

namespace gumtile {

const std::vector<GpuCapability>& gpu_capabilities() {
  // Shared memory: CUDA C++ Programming Guide, table of compute capabilities (opt-in maximum per block).
  // PTX versions: PTX ISA, section "Target ISA notes".
  static const std::vector<GpuCapability> table = {
      {70, 96 * 1024, false, false, 60, 0},   {75, 64 * 1024, false, false, 63, 0},
      {80, 163 * 1024, true, false, 70, 0},   {86, 99 * 1024, true, false, 71, 0},
      {87, 163 * 1024, true, false, 74, 0},   {89, 99 * 1024, true, false, 78, 0},
      {90, 227 * 1024, true, true, 78, 80},   {100, 227 * 1024, true, false, 86, 86},
      {103, 227 * 1024, true, false, 88, 88}, {120, 99 * 1024, true, false, 87, 87},
  };
  return table;
}

const GpuCapability& Target::gpu() const {
  for (const GpuCapability& row : gpu_capabilities())
    if (row.sm == sm) return row;
  throw Error(ErrorCode::internal, fmt::format("target '{}' is not a known GPU", str()));
}

namespace {

constexpr size_t kLongestCpu = 200;

/// Whether `text` has the form of a CPU and features: words such as LLVM's names, separated by '+'.
bool is_cpu(std::string_view text) {
  const auto is_in_name = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  };
  char before = '+';
  for (const char c : text) {
    if (!is_in_name(c) && (c != '+' || before == '+')) return false;
    before = c;
  }
  return before != '+' && text.size() <= kLongestCpu;
}

/// Any text, made printable for a message.
std::string shown(std::string_view text) {
  constexpr size_t kMost = 80;
  std::string out;
  for (const char c : text.substr(0, kMost))
    out += c >= ' ' && c <= '~' ? std::string(1, c) : fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  return out + (text.size() > kMost ? "…" : "");
}

}  // namespace

std::string Target::str() const {
  if (is_cuda()) return fmt::format("sm_{}{}", sm, suffix_a ? "a" : "");
  return cpu.empty() ? "host" : "host:" + cpu;
}

Target Target::parse(std::string_view text) {
  if (text == "host") return {};
  if (text.starts_with("host:") && is_cpu(text.substr(5))) {
    Target target;
    target.cpu = text.substr(5);
    return target;
  }
  std::vector<std::string> known{"host", "host:CPU"};
  for (const GpuCapability& row : gpu_capabilities()) {
    Target target{Kind::cuda, row.sm, false, {}};
    if (target.str() == text) return target;
    known.push_back(target.str());
    if (row.ptx_version_suffix == 0) continue;
    target.suffix_a = true;
    if (target.str() == text) return target;
    known.push_back(target.str());
  }
  throw Error(ErrorCode::usage,
              fmt::format("unknown target '{}'; known are {}", shown(text), fmt::join(known, ", ")));
}

Target target_for_device(int major, int minor) {
  const int sm = 10 * major + minor;
  Target target{Target::Kind::cuda, 0, false, {}};
  for (const GpuCapability& row : gpu_capabilities()) {
    if (row.sm > sm) break;
    target.sm = row.sm;
    target.suffix_a = row.sm == sm && row.ptx_version_suffix != 0;
  }
  if (target.sm == 0)
    throw Error(ErrorCode::device_unavailable,
                fmt::format("the GPU is sm_{}; gumtile needs sm_70 or later", sm));
  return target;
}

}  // namespace gumtile
