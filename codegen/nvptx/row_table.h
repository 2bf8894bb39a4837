#pragma once

#include "codegen/nvptx/gpu_source.h"
#include "codegen/nvptx/thread_geometry.h"

namespace gumtile::codegen {

/// The row table: row-level values that lanes read often, in shared memory, one row of the block after
/// another.
class RowTable {
 public:
  RowTable(const KernelPlan& plan, OpEmitter& ops, const Arguments& arguments, const ThreadGeometry& threads,
           const SharedMemory& shared)
      : plan_(plan), ops_(ops), b(ops.b), arguments_(arguments), threads_(threads), shared_(shared) {}

  /// Fills the table with `count` threads, of which this is `thread` (i32). No thread may read it before they
  /// are done.
  void fill(llvm::Value* thread, int count);
  /// A node's value for a row, given by its number in the block (i32).
  llvm::Value* value(NodeId node, llvm::Value* local_row);
  /// Whether the row exists and its guard holds (i1).
  llvm::Value* active(llvm::Value* local_row);

 private:
  /// The pointer to a word of a row; `base` (i32) is the row's offset in bytes within the table.
  llvm::Value* word(llvm::Value* base, int number);

  const KernelPlan& plan_;
  OpEmitter& ops_;
  llvm::IRBuilder<>& b;
  const Arguments& arguments_;
  const ThreadGeometry& threads_;
  const SharedMemory& shared_;
};

}  // namespace gumtile::codegen
