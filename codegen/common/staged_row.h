#pragma once

#include "codegen/common/arguments.h"
#include "codegen/common/expression_emitter.h"

namespace gumtile::codegen {

/// Where the staged left operand of a row comes from.
struct StagedRow {
  llvm::Value* row = nullptr;     ///< i64: a row of the left input that may be read
  llvm::Value* exists = nullptr;  ///< i1: else the operand is zeros; null: it always does
};

/// Which row of the left input `stage` copies as `row` (i64; also what `source` gives as the row's index):
/// that of the contraction's `left_index` where one is bound. A row that the guard rejects has no index to
/// follow: what lies there need not be one.
StagedRow emit_staged_row(const KernelPlan& plan, OpEmitter& ops, FragmentSource& source, llvm::Value* row);

}  // namespace gumtile::codegen
