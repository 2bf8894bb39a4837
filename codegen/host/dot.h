#pragma once

#include "codegen/common/op_emitter.h"
#include "codegen/host/machine.h"
#include "gumtile/plan.h"
#include "ir/analysis.h"

namespace gumtile::codegen {

/// How the host's inner product reads its operands. A chunk is 2 * lanes elements of the contracted axis.
/// Staged rows are padded with zeros to `plan.launch.staged_stride` elements, a whole number of chunks.
struct DotLayout {
  bool bf16_dot = false;            ///< vdpbf16ps: the staged row holds bf16 in natural order
  bool interleaved = false;         ///< staged f32: a chunk's even elements, then its odd ones (bf16 weights)
  DType staged_dtype = DType::f32;  ///< no larger than the launch reserves
};

DotLayout make_dot_layout(const KernelPlan& plan, const HostMachine& machine);

/// Emits `void dot(i64 weights, i64 weights_stride, i64 staged_row, i64 first_column, ptr out)`: the products
/// of `rows` staged rows with the tile's columns, out[row][column in the tile]. Columns past the end repeat
/// the last one. Every product is summed in the same order, whatever `rows` is.
llvm::Function* emit_dot(llvm::Module& module, const KernelPlan& plan, const HostMachine& machine,
                         MathTarget& math, const DotLayout& layout, int rows);

}  // namespace gumtile::codegen
