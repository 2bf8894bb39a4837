#pragma once

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "codegen/common/fold_context.h"

namespace gumtile::codegen {

/// All groups that a lane holds of a fragment, of a reduction whose groups have bounds: the fragment's folds
/// note the bounds, then the groups that matter are folded one at a time, the largest bound first. One copy
/// of the code serves all groups (see ColumnContest), and groups of other rows and blocks raise what the row
/// has reached before most of them are looked at. For fragments of as many rows and blocks as the plan's.
class GroupContest {
 public:
  /// A contest for a sweep reduction, if its Program and the source allow it.
  static std::optional<GroupContest> make(FoldContext& context, size_t reduction);

  size_t reduction() const { return reduction_; }
  /// Optional, before `open` and in every fragment or in none: computes what the bounds need beside the
  /// contraction's values, as soon as the fragment's columns are known.
  void prepare();
  /// Forgets the groups of the last fragment. Call it before its folds.
  void open();
  /// Notes the bounds of groups.
  void enter(int first_row, int rows, int first_block, int blocks);
  /// Folds the groups whose bounds do not dismiss them into `states` (of all rows), in rounds: one group per
  /// lane. `before_round` and `after_round` emit what belongs to a round; the latter is told for the chosen
  /// row whether its state may have risen above all that the row's lanes knew of (i1), and the state.
  void settle(
      std::span<const RowStates> states, const std::function<void()>& before_round,
      const std::function<void(llvm::Value* rises, std::span<llvm::Value* const> state)>& after_round);

 private:
  /// What a lane folds in a round.
  struct Leader {
    llvm::Value* row = nullptr;
    llvm::Value* block = nullptr;
    llvm::Value* counts = nullptr;    ///< i1: else the lane has none
    std::vector<llvm::Value*> marks;  ///< per row: what its lanes and others have reached
  };

  GroupContest(FoldContext& context, size_t reduction);
  NodeId node() const { return c_->states.node(reduction_); }
  const ReductionInfo& info() const { return c_->states.reduction(reduction_); }
  int leader_member() const { return c_->expressions.group_leaders()[0]; }
  size_t number(int row, int block) const {
    return static_cast<size_t>(row * c_->plan.fragment.blocks + block);
  }
  const std::vector<llvm::AllocaInst*>& state(std::span<const RowStates> states, int row) const {
    return states[static_cast<size_t>(row)].components[reduction_];
  }
  std::vector<llvm::AllocaInst*> for_all_groups(DType dtype) const;
  Leader find_leader(std::span<const RowStates> states) const;
  std::vector<llvm::Value*> fold_leader(std::span<const RowStates> states, const Leader& leader);

  FoldContext* c_;
  size_t reduction_;
  std::vector<llvm::AllocaInst*> bounds_;  ///< NaN: the group is out
  std::map<NodeId, std::vector<llvm::AllocaInst*>> prepared_;
};

}  // namespace gumtile::codegen
