#pragma once

#include <functional>

#include "codegen/common/arguments.h"

namespace gumtile::codegen {

/// Where a thread stands: in its block, and with its fragment among the rows and columns. A warp holds rows 8
/// apart and whole blocks of 64 columns, laid out as an m16n8 accumulator: lane l has row l / 4 and the
/// columns that the fragment's mask leaves to l % 4. Values are i32s if nothing else is said; they are
/// emitted where the builder stands: make it in the entry block.
struct ThreadGeometry {
  ThreadGeometry(llvm::IRBuilder<>& b, const KernelPlan& plan, const Arguments& arguments);

  llvm::Value* thread;
  llvm::Value* lane;
  llvm::Value* warp;
  llvm::Value* turn;       ///< which of the plan's turns the warp takes tiles in
  llvm::Value* warp_n;     ///< the warp's place (wgmma: its warpgroup's) along the columns
  llvm::Value* warp_m;     ///< and along the rows
  llvm::Value* warp_row;   ///< the warp's first row in the block
  llvm::Value* first_row;  ///< the block's first row, i64
  llvm::Value* worker;     ///< the block's number along the columns
  llvm::Value* workers;
  llvm::Value* lane_columns;  ///< the lane's first column within a block of 64

  /// The number in the block of the fragment's row `row`, known when code is emitted.
  llvm::Value* local_row(int row) const;
  /// The same of a row that is known when the code runs.
  llvm::Value* local_row(llvm::Value* row) const;
  /// From the warp's first row to a row of the fragment that lane 0 has.
  int row_offset(int row) const;
  /// A row of the block in the launch, i64; it may not exist.
  llvm::Value* global_row(llvm::Value* local) const;
  /// The same, or the last row that exists.
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

/// A loop body run by threads `index = thread; index < count; index += threads`.
void for_each_thread(llvm::IRBuilder<>& b, llvm::Value* thread, int count, int threads,
                     const std::function<void(llvm::Value* index)>& body);

}  // namespace gumtile::codegen
