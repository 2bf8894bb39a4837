#pragma once

#include <functional>

#include "codegen/common/arguments.h"

namespace gumtile::codegen {

/// The position of a thread in its block, and of its fragment among the rows and columns. A warp holds rows
/// and whole blocks of 64 columns, laid out as m16n8 accumulators: lane l has row l / 4 and rows at multiples
/// of 8 from it, and in each block the columns whose bits outside the fragment's mask are those of l % 4.
/// Values are i32s unless stated otherwise. They are emitted at the builder's insertion point: construct this
/// in the entry block.
struct ThreadGeometry {
  ThreadGeometry(llvm::IRBuilder<>& b, const KernelPlan& plan, const Arguments& arguments);

  llvm::Value* thread;
  llvm::Value* lane;
  llvm::Value* warp;
  llvm::Value* turn;       ///< if consumer warpgroups take whole tiles in turn: which turn the warp has
  llvm::Value* warp_n;     ///< the warp's position (wgmma: its warpgroup's) along the columns
  llvm::Value* warp_m;     ///< and along the rows
  llvm::Value* warp_row;   ///< the warp's first row in the block
  llvm::Value* first_row;  ///< the block's first row, i64
  llvm::Value* worker;     ///< the block's number among the blocks that share its rows
  llvm::Value* workers;
  llvm::Value* lane_columns;  ///< the lane's first column within a block of 64

  /// The number in the block of the fragment's row `row`, which is known when code is emitted.
  llvm::Value* local_row(int row) const;
  /// The same for a row that is known only at run time.
  llvm::Value* local_row(llvm::Value* row) const;
  /// The distance from the warp's first row to lane 0's row `row` of the fragment.
  int row_offset(int row) const;
  /// The number in the launch (i64) of a row of the block. The row may not exist.
  llvm::Value* global_row(llvm::Value* local) const;
  /// The same, or if that does not exist, the last row that does.
  llvm::Value* existing_row(llvm::Value* local) const { return clamp_row(global_row(local)); }
  llvm::Value* clamp_row(llvm::Value* row) const;

 private:
  llvm::IRBuilder<>& b;
  const KernelPlan& plan_;
  llvm::Value* rows_;
};

/// A block's dynamic shared memory.
class SharedMemory {
 public:
  SharedMemory(llvm::IRBuilder<>& builder, llvm::GlobalVariable* memory) : b(builder), memory_(memory) {}
  llvm::Value* at(llvm::Value* offset_bytes) const {
    return b.CreateGEP(b.getInt8Ty(), memory_, offset_bytes);
  }
  llvm::Value* at(int offset_bytes) const { return at(b.getInt32(static_cast<uint32_t>(offset_bytes))); }

 private:
  llvm::IRBuilder<>& b;
  llvm::GlobalVariable* memory_;
};

/// Emits a loop in which each thread runs `body` for `index = thread; index < count; index += threads`.
void for_each_thread(llvm::IRBuilder<>& b, llvm::Value* thread, int count, int threads,
                     const std::function<void(llvm::Value* index)>& body);

}  // namespace gumtile::codegen
