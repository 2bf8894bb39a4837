#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace gumtile {

/// What an NVIDIA architecture can do, as far as plans depend on it.
struct GpuCapability {
  int sm;                  ///< compute capability, 10 * major + minor
  int shared_bytes;        ///< shared memory that one block may have
  bool async_copy;         ///< cp.async, mma.sync m16n8k16 with bf16 (sm_80 and later)
  bool warpgroup_mma;      ///< wgmma, in its architecture-specific form (sm_90a)
  int ptx_version;         ///< lowest PTX ISA version, 10 * major + minor, that names the architecture
  int ptx_version_suffix;  ///< the same for its architecture-specific form (`a`); 0: there is none
};

/// The machine that a kernel is compiled for. A value type.
struct Target {
  enum class Kind : uint8_t { host, cuda };
  Kind kind = Kind::host;
  int sm = 0;             ///< cuda: 90 for sm_90a
  bool suffix_a = false;  ///< cuda: the architecture-specific form
  std::string cpu;        ///< host: LLVM's name of a CPU and `+feature`s; empty: this machine's own

  /// "host", "host:x86-64-v3", "host:x86-64-v4+avx512bf16", "sm_80", "sm_90a", …
  std::string str() const;
  /// Throws Error(usage) naming the known targets.
  static Target parse(std::string_view text);
  bool is_cuda() const { return kind == Kind::cuda; }
  const GpuCapability& gpu() const;

  bool operator==(const Target&) const = default;
};

/// All known GPU architectures, ascending.
const std::vector<GpuCapability>& gpu_capabilities();

/// The target for a device of the given compute capability: its own architecture if known, else the newest
/// known one below it (PTX is forward compatible).
Target target_for_device(int major, int minor);

}  // namespace gumtile
