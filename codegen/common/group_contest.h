#pragma once

#include <functional>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "codegen/common/fold_context.h"

namespace gumtile::codegen {

/// A contest between the groups of a fragment, which folds them into a reduction whose groups have bounds.
/// First the bounds of all groups are stored; then the groups that can change a state are folded one at a
/// time, the largest bound first. One copy of the code serves all groups (see ColumnContest), and a row's
/// best key has usually risen before most of its groups are considered. For fragments with as many rows and
/// blocks as the plan's.
class GroupContest {
 public:
  /// A contest for a sweep reduction, if its Program and the source allow it.
  static std::optional<GroupContest> make(FoldContext& context, size_t reduction);

  size_t reduction() const { return reduction_; }
  /// Optional; called before `open`, for every fragment or for none. Computes the parts of the bounds that do
  /// not need the contraction's values, as soon as the fragment's columns are known.
  void prepare();
  /// Starts a new fragment: forgets the groups of the last one. Call it before the fragment's folds.
  void open();
  /// Stores the bounds of the groups of these rows and blocks.
  void enter(int first_row, int rows, int first_block, int blocks);
  /// Folds the groups whose bounds do not dismiss them into `states` (of all rows), in rounds of one group
  /// per lane. `before_round` and `after_round` emit code around a round. `after_round` gets, for the chosen
  /// row, whether its key may have risen above all that its lanes knew of (i1), and its state.
  void settle(
      std::span<const RowStates> states, const std::function<void()>& before_round,
      const std::function<void(llvm::Value* rises, std::span<llvm::Value* const> state)>& after_round);

 private:
  /// The group that a lane folds in a round.
  struct Leader {
    llvm::Value* row = nullptr;
    llvm::Value* block = nullptr;
    llvm::Value* counts = nullptr;    ///< i1: whether the lane has a group to fold
    std::vector<llvm::Value*> marks;  ///< per row: the best key that its lanes and other blocks have reached
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
