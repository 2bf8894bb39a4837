#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "gumtile/dtype.h"

namespace gumtile {

enum class MmaKind : uint8_t { mma_sync, wgmma };

/// A tensor core instruction: an m x n x k product.
struct MmaAtom {
  MmaKind kind;
  DType left, right;  ///< the operands' formats
  DType accumulator;
  int m;
  int n_min, n_max;  ///< n is a multiple of 8 between them
  int k;             ///< elements of both operands
  /// The instruction without its registers; "{}" stands for n.
  std::string_view ptx;
};

/// Bytes per row in a shared-memory stage of the mma_sync loop: eight chunks of 16 bytes, whose numbers are
/// xored with the row's.
inline constexpr int kMmaSyncRowBytes = 128;

/// The atom that multiplies operands of these formats, or null.
const MmaAtom* find_atom(MmaKind kind, DType left, DType right);

}  // namespace gumtile
