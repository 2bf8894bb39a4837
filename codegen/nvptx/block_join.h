#pragma once

#include <functional>
#include <span>
#include <vector>

#include "codegen/common/sweep_states.h"
#include "codegen/nvptx/row_table.h"

namespace gumtile::codegen {

/// How the blocks of a launch that share rows join their states. During the sweep they share the progress of
/// a reduction with a bound: the best key that each row has reached. At the end they join all states, and the
/// last block of some rows finishes those rows.
class BlockJoin {
 public:
  BlockJoin(const KernelPlan& plan, OpEmitter& ops, const Arguments& arguments, const ThreadGeometry& threads,
            const SharedMemory& shared, RowTable& table, SweepStates& states)
      : plan_(plan),
        ops_(ops),
        b(ops.b),
        arguments_(arguments),
        threads_(threads),
        shared_(shared),
        table_(table),
        states_(states),
        memory_(ops, arguments),
        bounded_(plan.bounded >= 0 ? static_cast<size_t>(plan.bounded) : states.count()) {}

  /// The sweep reduction whose progress blocks share; if none, the number of sweep reductions.
  size_t bounded() const { return bounded_; }
  bool shares_progress() const { return bounded_ < states_.count(); }

  /// Before the first tile.
  void begin();
  /// If `when` (i1) holds, requests what other blocks have reached. Nothing waits for the answer until it is
  /// used.
  void ask_reached(llvm::Value* when);
  /// What a row's state had reached in other blocks at the last `ask_reached`; null for reductions whose
  /// progress is not shared.
  llvm::Value* reached_elsewhere(NodeId reduction, int row);
  /// Joins a lane's states of a row of the fragment into the words that the blocks share. Before the end,
  /// that is only done for the bounded reduction.
  void push(const StateValues& states, int row, bool at_end);
  /// Publishes what a row of the block (i32) has reached, if `wanted`. Only if blocks share progress.
  void push_chosen(llvm::Value* wanted, std::span<llvm::Value* const> state, llvm::Value* local_row);
  /// Joins all states; the last block of some rows finishes those rows. `rows`: the states of the fragment's
  /// rows.
  void end(std::span<const RowStates> rows);

 private:
  bool finishes() const;
  void barrier();  ///< of the consumers, the threads that hold fragments
  llvm::Value* state_address(size_t reduction, llvm::Value* row);
  int any_number(size_t output) const;
  llvm::Value* any_word(size_t output);
  llvm::Value* any_state(size_t output);
  void push_key(size_t reduction, llvm::Value* wanted, llvm::Value* ordered_key,
                std::span<llvm::Value* const> state, llvm::Value* row);
  StateValues join_quad(const StateValues& states);
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

  const KernelPlan& plan_;
  OpEmitter& ops_;
  llvm::IRBuilder<>& b;
  const Arguments& arguments_;
  const ThreadGeometry& threads_;
  const SharedMemory& shared_;
  RowTable& table_;
  SweepStates& states_;
  GpuSource memory_;
  size_t bounded_;
  std::vector<llvm::AllocaInst*> reached_;  ///< per row: the ordered key that other blocks have reached
};

}  // namespace gumtile::codegen
