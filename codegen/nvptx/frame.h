#pragma once

#include <functional>
#include <vector>

#include "codegen/common/sweep_emitter.h"
#include "codegen/nvptx/block_join.h"

namespace gumtile::codegen {

/// The code around every GPU main loop: the row table before it, the epilogue of each tile, and after the
/// last tile the join with the other blocks of the same rows. It is also the source of the values that the
/// epilogue's expressions read.
///
/// Threads past `plan.consumers` hold no fragment; they may fill the row table.
class GpuFrame : public GpuSource, private Lanes {
 public:
  GpuFrame(const KernelPlan& plan, OpEmitter& ops, const Arguments& arguments, llvm::GlobalVariable* shared);

  const ThreadGeometry& threads() const { return threads_; }
  const SharedMemory& shared() const { return shared_; }
  RowTable& row_table() { return table_; }

  /// Emits the row table and the running states, by all threads; ends with a barrier.
  void begin();
  /// Emits the running states alone.
  void begin_states();
  /// Sets the columns of the next tile. `first_column`: u32, global.
  void begin_tile(llvm::Value* first_column);
  /// Computes what a fold needs besides the tile's values, and requests what other blocks have reached. Call
  /// it anywhere between `begin_tile` and `finish_tile`. Needs the row table.
  void prepare_tile();
  /// Folds the tile: combines its values into the running states. `accumulate` returns the variable with the
  /// contraction's value at a place. `present`: how many of the warp's blocks the tile has (i32); null: all.
  /// `first`: whether it is the block's first tile (i1), in which little can be dismissed yet; null: not
  /// known.
  void finish_tile(const std::function<llvm::AllocaInst*(const Place&)>& accumulate,
                   llvm::Value* present = nullptr, llvm::Value* first = nullptr);
  /// If `when` (i1) holds, requests what other blocks have reached, for the tiles finished from now on. Call
  /// it some time before a tile ends: nothing waits for the answer until then.
  void ask_reached(llvm::Value* when) { join_.ask_reached(when); }
  /// Joins the blocks' states; the last block of some rows finishes those rows.
  void end() { join_.end(states_); }

  Lanes* lanes() override { return this; }
  llvm::Value* accumulator(const Place& place) override;
  bool can_replace_accumulators() override { return true; }
  void set_accumulator(const Place& place, llvm::Value* value) override;
  SplitInteger column_base(int block) override;
  llvm::Value* row_value(NodeId node, size_t which, int row) override;
  llvm::Value* row_index(int row) override { return threads_.existing_row(local_row(row)); }
  llvm::Value* row_active(int row) override { return table_.active(local_row(row)); }

 private:
  llvm::Value* any(llvm::Value* condition) override;
  std::vector<int> row_bits() override { return {1, 2}; }
  llvm::Value* from(llvm::Value* word, int bit) override;
  void enter_rare_code() override { rare_ = true; }
  void leave_rare_code() override { rare_ = false; }
  bool can_choose() override { return std::holds_alternative<WgmmaSchedule>(plan_.schedule.family); }
  void choose(llvm::Value* row, llvm::Value* block) override { chosen_ = {row, block}; }
  llvm::Value* reached_elsewhere(NodeId reduction, int row) override {
    return join_.reached_elsewhere(reduction, row);
  }

  llvm::Value* local_row(int row);
  llvm::Value* accumulated(const Place& place);
  /// Whether a fold is short: for most groups only the bound is computed.
  bool folds_groups_by_bound() const;
  /// How many blocks of 64 columns share random words: 2 if they come in pairs and tiles start at multiples
  /// of 128 columns.
  int blocks_together() const;
  /// Whether a row of the fragment exists in some lane of the warp, given how many rows there are from the
  /// warp's first row on (i64).
  llvm::Value* some_row_exists(llvm::Value* rows_left, int row);
  void start_expressions();
  void fold_blocks(int first_row, int rows, int first_block, int blocks);
  void store_row(int row, llvm::Value* present);
  void settle_contest(llvm::Value* first);

  const KernelPlan& plan_;
  ThreadGeometry threads_;
  SharedMemory shared_;
  SweepEmitter sweep_;
  RowTable table_;
  BlockJoin join_;
  bool rare_ = false;  ///< the code being emitted rarely runs
  std::vector<llvm::Value*> pair_bases_;
  struct Chosen {
    llvm::Value* row = nullptr;
    llvm::Value* block = nullptr;
  };
  Chosen chosen_;  ///< what Place::kChosen stands for
  std::vector<RowStates> states_;
  std::function<llvm::AllocaInst*(const Place&)> accumulate_;
};

}  // namespace gumtile::codegen
