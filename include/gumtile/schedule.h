#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

namespace gumtile {

/// How to compute on a CPU: rows that share one pass over a tile of columns, and the tile's columns.
struct HostSchedule {
  int block_rows = 4;     ///< 1, 2 or 4 rows per pass of the inner loop
  int block_vocab = 256;  ///< columns per tile: a multiple of 256
  bool operator==(const HostSchedule&) const = default;
};

/// The plain FMA loop: any element type, any alignment, sm_70 and later. 128 threads.
struct SimtSchedule {
  int block_rows = 8;     ///< 8, 16 or 32 rows per block
  int block_vocab = 256;  ///< columns per tile: 256
  int block_k = 32;       ///< columns of the contracted axis per step: 16 or 32
  bool operator==(const SimtSchedule&) const = default;
};

/// mma.sync m16n8k16 fed by a multistage cp.async pipeline: bf16 and f16, sm_80 and later.
struct MmaSyncSchedule {
  int block_rows = 16;    ///< rows per block, a multiple of 16 * warps_m
  int block_vocab = 256;  ///< columns per tile, a multiple of 64 * warps_n
  int stages = 4;         ///< shared-memory stages of 64 elements of the contracted axis
  int warps_m = 1;        ///< warps along the rows
  int warps_n = 4;        ///< warps along the columns
  int copy_bytes = 16;    ///< bytes per copy of the weights: their alignment allows 16, 8, 4 or 2
  bool operator==(const MmaSyncSchedule&) const = default;
};

/// Hopper's warpgroup MMA (wgmma m64nNk16) fed by TMA through an mbarrier pipeline: bf16 and f16, sm_90a. One
/// producer thread streams both operands; consumer warpgroups multiply and fold. One persistent block per
/// multiprocessor takes a contiguous range of columns.
struct WgmmaSchedule {
  int block_rows = 64;     ///< rows per block: 64 * warpgroups_m, or 128 * warpgroups_m
  int block_vocab = 128;   ///< columns per tile, a multiple of 64 * warpgroups_n
  int block_k = 64;        ///< columns of the contracted axis per stage: 64 or 128
  int stages = 9;          ///< shared-memory stages: the copies in flight
  int warpgroups_m = 1;    ///< consumer warpgroups along the rows
  int warpgroups_n = 1;    ///< consumer warpgroups along the columns
  int cluster_m = 1;       ///< blocks along the rows that share the weights by multicast: 1 or 2
  int cluster_n = 1;       ///< blocks along the columns that share the hidden states by multicast: 1 or 2
  int l2_promotion = 128;  ///< bytes that L2 fetches for a read of the weights: 64, 128 or 256
  int box_rows = 64;       ///< rows of the weights per copy: 32, 64, 128 or 256
  int turns = 1;  ///< groups of consumer warpgroups that take whole tiles in turn: one multiplies, one folds
  bool operator==(const WgmmaSchedule&) const = default;
};

/// How to compute: tile shapes and their mapping onto a machine. Nothing in it changes what is computed. A
/// value type; text forms: "host:b4,v256", "simt:b8,v256,k32",
/// "mma_sync:b64,v256,stages=4,warps=2x4,copy=16",
/// "wgmma:b128,v256,k64,stages=4,wg=2x1,cluster=1x1,l2=128,box=64" (followed by ",turns=2" if there are two).
struct Schedule {
  std::variant<HostSchedule, SimtSchedule, MmaSyncSchedule, WgmmaSchedule> family;

  /// The exact text; `Schedule::parse(s.str()) == s`.
  std::string str() const;
  /// Fields left out keep their defaults. Throws Error(usage) naming the field at fault.
  static Schedule parse(std::string_view text);
  /// "host", "simt", "mma_sync" or "wgmma".
  std::string_view family_name() const;

  bool operator==(const Schedule&) const = default;
};

}  // namespace gumtile
