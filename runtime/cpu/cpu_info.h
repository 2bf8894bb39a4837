#pragma once

#include <cstddef>
#include <optional>
#include <string>

namespace gumtile::cpu {

/// The host's processor as this process may use it. An instruction set counts only if the operating system
/// saves its registers too. On machines other than x86-64 all these flags are false.
struct CpuInfo {
  std::string brand;         ///< e.g. "AMD EPYC 9654 96-Core Processor"; "unknown" if the system does not say
  int affinity_threads = 1;  ///< hardware threads this process may run on
  int physical_cores = 1;    ///< cores that those threads belong to
  size_t l2_bytes = 0;       ///< per core; 0 if unknown
  size_t l3_bytes = 0;       ///< per group of cores that share one; 0 if unknown

  /// The highest level of the x86-64 psABI whose features are all there: 1 to 4; 0 on other machines.
  int x86_level = 0;

  bool avx2 = false;
  bool fma = false;
  bool f16c = false;
  bool avx512f = false;
  bool avx512dq = false;
  bool avx512bw = false;
  bool avx512vl = false;
  bool avx512vnni = false;
  bool avx512bf16 = false;
  bool avx512fp16 = false;
  bool amx_tile = false;  ///< a process must still ask the kernel (ARCH_REQ_XCOMP_PERM) before it uses tiles
  bool amx_bf16 = false;
  bool amx_int8 = false;
};

/// The first call asks the system and keeps the result. Thread safe.
const CpuInfo& cpu_info();

/// Hardware threads that this process may run on now (sched_getaffinity), at least 1. Thread safe.
int affinity_threads();

/// The number of threads worth starting now: as many as the affinity mask has, but no more than a quota of
/// CPU time (control groups, as containers use them) keeps busy. At least 1. Thread safe.
int usable_threads();

/// The same from its parts; `quota`: CPU time per wall time.
int threads_for(int affinity, std::optional<double> quota);

}  // namespace gumtile::cpu
