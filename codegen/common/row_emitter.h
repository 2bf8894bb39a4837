#pragma once

#include <functional>

#include "codegen/common/expression_emitter.h"

namespace gumtile::codegen {

/// Emits the row table's values for one row with scalar ops, and calls `put` with each word (i32). If the
/// guard is false, the words are zeros. `in_range` (i1): whether the row exists; if not, nothing is read.
void emit_row_table(const KernelPlan& plan, OpEmitter& ops, FragmentSource& source, llvm::Value* in_range,
                    const std::function<void(int word, llvm::Value* value)>& put);

/// Emits the finalizers of one row (scalar ops; `source.row_value` gives the finished reductions) and stores
/// its outputs if the guard holds. `use_row_table`: row-level values are read from the table. An `any` output
/// is ored into the word at its address. Positions of outputs are computed here, so that they take no room in
/// the row table and only cost something if the output is wanted.
void emit_finish_row(const KernelPlan& plan, OpEmitter& ops, FragmentSource& source, bool use_row_table,
                     const std::function<llvm::Value*(size_t)>& output_address);

}  // namespace gumtile::codegen
