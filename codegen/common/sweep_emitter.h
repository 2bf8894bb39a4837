#pragma once

#include <functional>
#include <map>
#include <optional>
#include <vector>

#include "codegen/common/expression_emitter.h"

namespace gumtile::codegen {

/// The running states of all sweep reductions of one row: one alloca a 32- or 64-bit component.
struct RowStates {
  std::vector<std::vector<llvm::AllocaInst*>> components;  ///< [sweep reduction][component]
};

/// A row's states as values, in the same order.
using StateValues = std::vector<std::vector<llvm::Value*>>;

/// What every backend does with a fragment: folds it into the running reductions, stores tiles, and finishes
/// rows.
class SweepEmitter {
 public:
  SweepEmitter(const KernelPlan& plan, OpEmitter& ops, FragmentSource& source)
      : plan_(plan),
        analysis_(*plan.analysis),
        ops_(ops),
        b(ops.b),
        source_(source),
        contraction_result_(plan.analysis->contraction_result),
        expressions_(plan, ops, source, true) {}

  /// Allocas in the entry block of the current function.
  RowStates make_states() const;
  void store(const RowStates& states, const StateValues& values);
  StateValues load(const RowStates& states);
  StateValues identity() const;
  StateValues combine(const StateValues& left, const StateValues& right);

  /// Whether the contraction's values are to become what all other nodes read of them (a biased or capped
  /// value), before anything is folded: columns and groups that bounds do not dismiss would be computed a
  /// second time.
  bool settles_accumulators() const;
  /// Does so for all rows of a block, which share what they read of its columns.
  void settle_accumulators(int block);

  /// Folds `blocks` blocks of 64 columns of the rows from `first_row` on into `states` (one a row).
  /// Reductions with a bound come first: the bounds of all groups are computed side by side, so that their
  /// latencies overlap, and groups that cannot change the state are skipped. What the others compute for
  /// every group would only stay alive for the few that are not.
  /// Where groups compete (below), their bounds are only noted.
  void fold(std::span<const RowStates> states, int first_row, int first_block, int blocks);

  // ---- a contest of all groups that lanes hold (contest.cpp) ----

  /// Makes `reduction` (an index of a sweep reduction) one whose groups compete, if its Program and the
  /// source allow it: a fragment's folds note their bounds, then those that matter are folded one at a time,
  /// the largest first. One copy of the code serves all groups, and groups of other rows and blocks raise the
  /// mark before most of them are looked at. For a fragment of as many rows and blocks as the plan's.
  void let_groups_compete(size_t reduction);
  bool groups_compete() const { return contest_.has_value(); }
  /// Forgets the groups of the last fragment. Call it before its folds.
  void open_contest();
  /// Optional, before `open_contest` and in every fragment or in none: computes what the bounds need beside
  /// the contraction's values, as soon as the fragment's columns are known.
  void prepare_contest();
  /// Folds the groups whose bounds do not dismiss them into `states` (of all rows), in rounds: one group a
  /// lane. `before_round` and `after_round` emit what belongs to a round; the latter is told for the chosen
  /// row whether its state may have risen above all that the row's lanes knew of (i1), and the state.
  void settle_contest(
      std::span<const RowStates> states, const std::function<void()>& before_round,
      const std::function<void(llvm::Value* rises, std::span<llvm::Value* const> state)>& after_round);

  /// Stores one row's columns of one block to the tile outputs. `output_address` and `output_stride` give
  /// i64s.
  void store_tiles(int row, int block, llvm::Value* row_active,
                   const std::function<llvm::Value*(size_t)>& output_address,
                   const std::function<llvm::Value*(size_t)>& output_stride);
  bool stores_tiles() const;

  ExpressionEmitter& expressions() { return expressions_; }

  /// Splits states into 32-bit words in the record's order, and back.
  std::vector<llvm::Value*> to_words(const StateValues& values);
  StateValues from_words(const std::vector<llvm::Value*>& words);

 private:
  void fold_elements(NodeId id, const std::vector<llvm::AllocaInst*>& state, int row, int block);
  void fold_groups(NodeId id, const std::vector<llvm::AllocaInst*>& state, int row, int block);
  void fold_group(NodeId id, const std::vector<llvm::AllocaInst*>& state, const Place& place);
  llvm::Value* largest(DType dtype, std::vector<llvm::Value*> values);
  std::vector<llvm::Value*> element_bounds(NodeId bound, Place place);
  const ReductionInfo& reduction_of(NodeId id) const {
    return plan_.program.reductions[plan_.program.nodes[id].imm];
  }

  // contest.cpp
  /// Columns of a block that are folded one at a time, the largest bound first.
  struct ColumnContest {
    Place place;
    std::vector<llvm::Value*> bounds;                   ///< of each column
    std::map<NodeId, std::vector<llvm::Value*>> known;  ///< what else was computed of each
    llvm::Value* active = nullptr;
    llvm::Value* elsewhere = nullptr;  ///< what the row has reached elsewhere; null: nothing
  };
  bool folds_best_first(NodeId id) const;
  ColumnContest make_contest(NodeId id, const Place& place);
  void fold_best_first(NodeId id, const std::vector<llvm::AllocaInst*>& state, const ColumnContest& contest);
  llvm::Value* largest_in_row(llvm::Value* value);
  /// All groups that a lane holds of a fragment, row by row.
  struct GroupContest {
    size_t reduction;
    std::vector<llvm::AllocaInst*> bounds;  ///< NaN: the group is out
    std::map<NodeId, std::vector<llvm::AllocaInst*>> prepared;
  };
  /// What a lane folds in a round.
  struct Leader {
    llvm::Value* row = nullptr;
    llvm::Value* block = nullptr;
    llvm::Value* counts = nullptr;    ///< i1: else the lane has none
    std::vector<llvm::Value*> marks;  ///< a row: what its lanes and others have reached
  };
  Leader find_leader(std::span<const RowStates> states);
  std::vector<llvm::Value*> fold_leader(std::span<const RowStates> states, const Leader& leader);
  const std::vector<llvm::AllocaInst*>& contested_state(std::span<const RowStates> states, int row) const {
    return states[static_cast<size_t>(row)].components[contest_->reduction];
  }
  bool is_contested(size_t reduction) const { return contest_ && contest_->reduction == reduction; }
  std::vector<llvm::AllocaInst*> for_all_groups(DType dtype);
  void enter_contest(int first_row, int rows, int first_block, int blocks);
  size_t group_number(int row, int block) const {
    return static_cast<size_t>(row * plan_.fragment.blocks + block);
  }

  void fold_bounded(size_t reduction, std::span<const RowStates> states, int first_row, int first_block,
                    int blocks);
  std::vector<llvm::Value*> load_components(const std::vector<llvm::AllocaInst*>& state);

  const KernelPlan& plan_;
  const ProgramAnalysis& analysis_;
  OpEmitter& ops_;
  llvm::IRBuilder<>& b;
  FragmentSource& source_;
  NodeId contraction_result_;  ///< the node through which all others read the contraction
  ExpressionEmitter expressions_;
  std::optional<GroupContest> contest_;
};

/// One of `values` by its number (i32).
llvm::Value* pick(llvm::IRBuilder<>& b, llvm::Value* number, std::vector<llvm::Value*> values);

/// Emits the values of the row table for one row with scalar ops: calls `put` with each word (i32). Where the
/// guard is false, zeros. `in_range`: i1, whether the row exists; nothing is read where it does not.
void emit_row_table(const KernelPlan& plan, OpEmitter& ops, FragmentSource& source, llvm::Value* in_range,
                    const std::function<void(int word, llvm::Value* value)>& put);

/// Emits the finalizers of one row (scalar ops; `source.row_value` gives the finished reductions) and stores
/// its outputs if the guard holds. `use_row_table`: row-level values are read from it. An `any` output is
/// ored into the word at its address. Positions of outputs are computed here, where only an output that is
/// wanted pays for them: they take no room in the row table.
void emit_finish_row(const KernelPlan& plan, OpEmitter& ops, FragmentSource& source, bool use_row_table,
                     const std::function<llvm::Value*(size_t)>& output_address);

/// A value as 32-bit words, low word first, and the inverse.
std::vector<llvm::Value*> split_words(OpEmitter& ops, DType dtype, llvm::Value* value);
llvm::Value* join_words(OpEmitter& ops, DType dtype, const llvm::Value* const* words);

}  // namespace gumtile::codegen
