#pragma once

#include "codegen/nvptx/gpu_source.h"
#include "codegen/nvptx/thread_geometry.h"

namespace gumtile::codegen {

/// The row-level values that lanes read often, in shared memory: a row of the block after another.
class RowTable {
 public:
  RowTable(const KernelPlan& plan, OpEmitter& ops, const Arguments& arguments, const ThreadGeometry& threads,
           const SharedMemory& shared)
      : plan_(plan), ops_(ops), b(ops.b), arguments_(arguments), threads_(threads), shared_(shared) {}

  /// Fills it, by `count` threads of which this is `thread` (i32). Nobody else may read it before they are
  /// done.
  void fill(llvm::Value* thread, int count);
  /// A node's value for a row of the block (its number there, i32).
  llvm::Value* value(NodeId node, llvm::Value* local_row);
  /// Whether the row exists and its guard holds (i1).
  llvm::Value* active(llvm::Value* local_row);

 private:
  /// Offset in bytes of a word of the table, `base` (i32) being that of its row.
  llvm::Value* word(llvm::Value* base, int number);

  const KernelPlan& plan_;
  OpEmitter& ops_;
  llvm::IRBuilder<>& b;
  const Arguments& arguments_;
  const ThreadGeometry& threads_;
  const SharedMemory& shared_;
};

}  // namespace gumtile::codegen
