#pragma once

#include <functional>
#include <optional>

#include "codegen/common/arguments.h"
#include "codegen/common/sweep_emitter.h"
#include "codegen/nvptx/nvptx_math.h"
#include "codegen/nvptx/ptx.h"

namespace gumtile::codegen {

/// Inputs and outputs of a GPU kernel through its arguments; scalar lanes.
class GpuSource : public FragmentSource {
 public:
  GpuSource(OpEmitter& ops, const Arguments& arguments) : ops_(ops), b(ops.b), arguments_(arguments) {}

  llvm::Value* accumulator(const Place&) override { llvm_unreachable("no contraction here"); }
  SplitInteger column_base(int) override { llvm_unreachable("no columns here"); }
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
/// each tile, and after the last one the join with the other blocks of the same rows. A warp holds rows 8
/// apart and whole blocks of 64 columns, laid out as an m16n8 accumulator: lane l has row l / 4 and the
/// columns that the fragment's mask leaves to l % 4.
///
/// Threads past `plan.consumers` hold no fragment; they may make the row table.
class GpuFrame : public GpuSource {
 public:
  GpuFrame(const KernelPlan& plan, OpEmitter& ops, const Arguments& arguments, llvm::GlobalVariable* shared);

  /// Row table and running states, by all threads; ends with a barrier.
  void begin();
  /// Running states alone.
  void begin_states();
  /// The row table, by `threads` threads of which this is `thread` (i32). Nobody else may read it before they
  /// are done.
  void fill_row_table(llvm::Value* thread, int threads);
  /// Names the columns of the tile that is next. `first_column`: u32, global.
  void begin_tile(llvm::Value* first_column);
  /// Computes what a fold needs that does not wait for the tile's values, and reads what other blocks have
  /// reached: between `begin_tile` and `finish_tile`, at leisure. Needs the row table.
  void prepare_tile();
  /// Folds the tile: `accumulate` has the variable of the contraction's value at a place. `blocks`: how many
  /// of the warp's blocks the tile has (i32); null: all. `first`: whether it is the block's first tile (i1),
  /// in which little is dismissed yet; null: not known.
  void finish_tile(const std::function<llvm::AllocaInst*(const Place&)>& accumulate,
                   llvm::Value* blocks = nullptr, llvm::Value* first = nullptr);
  /// Where `when` (i1) holds, reads what other blocks have reached, for the tiles finished from now on. Call
  /// it some time before a tile ends: nothing waits for the answer until then.
  void ask_reached(llvm::Value* when);
  /// Joins the blocks' states; the last block of some rows finishes them.
  void end();

  llvm::Value* accumulator(const Place& place) override;
  bool can_replace_accumulators() override { return true; }
  void set_accumulator(const Place& place, llvm::Value* value) override;
  void enter_rare_code() override { rare_ = true; }
  void leave_rare_code() override { rare_ = false; }
  /// Whether a fold is short: few groups are more than a bound.
  bool folds_groups_by_bound() const;
  SplitInteger column_base(int block) override;
  llvm::Value* row_value(NodeId node, size_t which, int row) override;
  llvm::Value* row_index(int row) override;
  llvm::Value* row_active(int row) override;
  llvm::Value* in_some_lane(llvm::Value* condition) override { return ptx::vote_any(b, condition); }
  std::vector<int> row_lane_bits() override { return {1, 2}; }
  llvm::Value* from_lane(llvm::Value* word, int bit) override { return ptx::shuffle_xor(b, word, bit); }
  llvm::Value* reached_elsewhere(NodeId reduction, int row) override;
  bool can_choose() override { return std::holds_alternative<WgmmaSchedule>(plan_.schedule.family); }
  void choose(llvm::Value* row, llvm::Value* block) override { chosen_ = {row, block}; }

  llvm::Value* thread() const { return thread_; }
  llvm::Value* lane() const { return lane_; }
  llvm::Value* warp() const { return warp_; }
  /// The lane's first column within a block of 64.
  llvm::Value* lane_columns() const { return lane_columns_; }
  /// The warp's place among those of its block, along the columns and along the rows (wgmma: the
  /// warpgroup's).
  llvm::Value* warp_n() const { return warp_n_; }
  llvm::Value* warp_m() const { return warp_m_; }
  /// Which of the plan's turns the warp takes tiles in, i32.
  llvm::Value* turn() const { return turn_; }
  /// The block's first row, i64, and its worker number along the columns, i32.
  llvm::Value* first_row() const { return first_row_; }
  llvm::Value* worker() const { return worker_; }
  llvm::Value* workers() const { return workers_; }
  llvm::Value* shared(llvm::Value* offset_bytes);
  llvm::Value* shared(int offset_bytes) { return shared(b.getInt32(static_cast<uint32_t>(offset_bytes))); }
  /// The last row that exists, i64: rows past it repeat it.
  llvm::Value* clamp_row(llvm::Value* row);

 private:
  llvm::Value* local_row(int row);
  llvm::Value* accumulated(const Place& place);
  void settle_contest(llvm::Value* first);
  void fold_blocks(int first_row, int rows, int first_block, int blocks);
  /// Blocks whose random words are shared: tiles start at multiples of as many columns.
  int blocks_together() const;

  // The join (frame_join.cpp).
  bool finishes() const;
  void barrier();  ///< of the consumers
  void push(const StateValues& states, int row, bool at_end);
  void push_key(size_t reduction, llvm::Value* wanted, llvm::Value* ordered_key,
                std::span<llvm::Value* const> state, llvm::Value* row);
  void push_chosen(llvm::Value* wanted, std::span<llvm::Value* const> state);
  void write_records(const std::vector<StateValues>& states);
  void write_record(const StateValues& states, llvm::Value* row, llvm::Value* worker);
  llvm::Value* arrive(llvm::Value* counter, llvm::Value* expected);
  llvm::Value* owns_row(llvm::Value* local);
  void for_each_row(const std::function<void(llvm::Value* local, llvm::Value* row)>& body);
  void finish_block(llvm::Value* first, llvm::Value* step, llvm::Value* count);
  StateValues join_records(llvm::Value* row, llvm::Value* first, llvm::Value* step, llvm::Value* count);
  StateValues take_packed(llvm::Value* row);
  void finish_row(const StateValues& states, llvm::Value* local, llvm::Value* row);
  void publish_any_outputs();
  llvm::Value* state_address(size_t reduction, llvm::Value* row);
  int any_number(size_t output) const;
  llvm::Value* any_word(size_t output);
  llvm::Value* any_state(size_t output);
  llvm::Value* global_pointer(llvm::Value* address) { return b.CreateIntToPtr(address, b.getPtrTy(1)); }

  const KernelPlan& plan_;
  const ProgramAnalysis& analysis_;
  llvm::GlobalVariable* shared_;
  SweepEmitter sweep_;
  size_t bounded_;  ///< the sweep reduction whose progress blocks share, or none: one past the last
  llvm::Value* thread_;
  llvm::Value* lane_;
  llvm::Value* warp_;
  llvm::Value* warp_m_;
  llvm::Value* turn_;
  llvm::Value* warp_n_;
  llvm::Value* warp_row_;  ///< the warp's first row in the block
  llvm::Value* first_row_;
  llvm::Value* worker_;
  llvm::Value* workers_;
  llvm::Value* lane_columns_;
  bool rare_ = false;                      ///< what is emitted rarely runs
  llvm::Value* finished_local_ = nullptr;  ///< while a row is finished: its number in the block
  std::vector<llvm::Value*> pair_bases_;
  struct Chosen {
    llvm::Value* row = nullptr;
    llvm::Value* block = nullptr;
  };
  Chosen chosen_;  ///< what Place::kChosen stands for
  std::vector<RowStates> states_;
  std::vector<llvm::AllocaInst*> reached_;  ///< a row: the ordered key that other blocks have reached
  std::function<llvm::AllocaInst*(const Place&)> accumulate_;
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
