#pragma once

#include <functional>
#include <optional>

#include "codegen/common/arguments.h"
#include "codegen/common/sweep_emitter.h"
#include "codegen/nvptx/nvptx_math.h"

namespace gumtile::codegen {

/// Inputs and outputs of a GPU kernel through its arguments; scalar lanes.
class GpuSource : public FragmentSource {
 public:
  GpuSource(OpEmitter& ops, const Arguments& arguments) : ops_(ops), b(ops.b), arguments_(arguments) {}

  llvm::Value* accumulator(const Place&) override { llvm_unreachable("no contraction here"); }
  llvm::Value* column_base(int) override { llvm_unreachable("no columns here"); }
  llvm::Value* row_value(NodeId node, size_t which, int) override { return finished.at({node, which}); }
  llvm::Value* row_index(int) override { return current_row; }
  llvm::Value* input_address(uint32_t input) override { return arguments_.input(input); }
  llvm::Value* input_stride(uint32_t input) override { return arguments_.input_stride(input); }
  llvm::Value* load(DType dtype, llvm::Value* address, llvm::Value* index) override;
  void store(llvm::Value* stored, llvm::Value* address, llvm::Value* index, llvm::Value* mask) override;

  llvm::Value* current_row = nullptr;  ///< i64; what row_index gives where rows are taken one at a time
  std::map<std::pair<NodeId, size_t>, llvm::Value*> finished;  ///< reductions, for finalizers

 protected:
  llvm::Value* element(size_t bytes, llvm::Value* address, llvm::Value* index);

  OpEmitter& ops_;
  llvm::IRBuilder<>& b;
  const Arguments& arguments_;
};

/// What surrounds every GPU main loop: arguments, shared memory, the row table before it, the epilogue of
/// each tile, and the hand-over of the states after it. A warp holds rows 8 apart and whole blocks of 64
/// columns, laid out as an m16n8 accumulator: lane l has row l / 4 and the columns that the fragment's mask
/// leaves to l % 4.
class GpuFrame : public GpuSource {
 public:
  GpuFrame(const KernelPlan& plan, const ProgramAnalysis& analysis, OpEmitter& ops,
           const Arguments& arguments, llvm::GlobalVariable* shared);

  /// Row table and running states; ends with a barrier.
  void begin();
  /// Folds a tile: `accumulate` gives the contraction's value at a place.
  void finish_tile(llvm::Value* tile, const std::function<llvm::Value*(const Place&)>& accumulate);
  /// Joins the block's states and writes the records.
  void end();

  llvm::Value* accumulator(const Place& place) override { return accumulate_(place); }
  llvm::Value* column_base(int block) override { return column_bases_[static_cast<size_t>(block)]; }
  llvm::Value* row_value(NodeId node, size_t which, int row) override;
  llvm::Value* row_index(int row) override;

  llvm::Value* thread() const { return thread_; }
  llvm::Value* lane() const { return lane_; }
  /// The lane's first column within a block of 64.
  llvm::Value* lane_columns() const { return lane_columns_; }
  llvm::Value* warp_m() const { return warp_m_; }
  llvm::Value* warp_n() const { return warp_n_; }
  /// The block's first row, i64, and its worker number along the columns, i32.
  llvm::Value* first_row() const { return first_row_; }
  llvm::Value* partial() const { return partial_; }
  llvm::Value* partials() const { return partials_; }
  llvm::Value* shared(llvm::Value* offset_bytes);
  llvm::Value* shared(int offset_bytes) { return shared(b.getInt32(static_cast<uint32_t>(offset_bytes))); }
  /// The last row that exists, i64: rows past it repeat it.
  llvm::Value* clamp_row(llvm::Value* row);

 private:
  llvm::Value* local_row(int row);
  void fold_fragment(bool masked);
  llvm::Value* row_active(int row);

  const KernelPlan& plan_;
  const ProgramAnalysis& analysis_;
  llvm::GlobalVariable* shared_;
  SweepEmitter sweep_;
  int warps_n_;
  llvm::Value* thread_;
  llvm::Value* lane_;
  llvm::Value* warp_m_;
  llvm::Value* warp_n_;
  llvm::Value* first_row_;
  llvm::Value* partial_;
  llvm::Value* partials_;
  llvm::Value* lane_columns_;
  std::vector<llvm::Value*> column_bases_;
  std::vector<RowStates> states_;
  std::function<llvm::Value*(const Place&)> accumulate_;
};

/// A loop body run by threads `index = thread; index < count; index += threads`.
void for_each_thread(llvm::IRBuilder<>& b, llvm::Value* thread, int count, int threads,
                     const std::function<void(llvm::Value* index)>& body);

/// `if (condition) body`.
void emit_if(llvm::IRBuilder<>& b, llvm::Value* condition, const std::function<void()>& body);

/// Joins the states of lanes whose numbers differ in `bits` (ascending powers of two); all of them get the
/// result.
StateValues join_lanes(SweepEmitter& sweep, OpEmitter& ops, const StateValues& states, llvm::Value* lane,
                       std::initializer_list<int> bits);

}  // namespace gumtile::codegen
