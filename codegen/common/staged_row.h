#pragma once

#include "codegen/common/arguments.h"
#include "codegen/common/expression_emitter.h"

namespace gumtile::codegen {

/// The row of the left input from which a row's left operand is staged.
struct StagedRow {
  llvm::Value* row = nullptr;     ///< i64: a row of the left input that can be read safely
  llvm::Value* exists = nullptr;  ///< i1; if false, the operand is zeros; null: always true
};

/// Which row of the left input `stage` copies as `row` (i64; `source` must give the same as the row's index):
/// the one that the contraction's `left_index` names, if that is bound. For a row that the guard rejects the
/// index is not read: its memory need not hold a valid one.
StagedRow emit_staged_row(const KernelPlan& plan, OpEmitter& ops, FragmentSource& source, llvm::Value* row);

}  // namespace gumtile::codegen
