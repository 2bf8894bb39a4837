#pragma once

#include <map>
#include <vector>

#include "codegen/common/fold_context.h"

namespace gumtile::codegen {

/// The columns that a lane holds in one block, of a reduction whose columns have bounds: those that their
/// bounds do not dismiss are folded one at a time, the largest bound first. Mostly that is one column, after
/// which the state dismisses the others. Which one it is is known when the code runs, so that one copy of the
/// code serves all columns: copies for each do not fit the instruction caches, and fetching them took half of
/// the epilogue's time.
class ColumnContest {
 public:
  /// Whether the columns of a block can compete for a reduce node. A vector's lanes would choose different
  /// ones.
  static bool is_possible(const FoldContext& context, NodeId reduce);

  /// Computes the bounds, and keeps what else is at hand of each column. `active`: whether the row counts
  /// (i1), or null. `elsewhere`: what the row has reached elsewhere, or null.
  ColumnContest(FoldContext& context, NodeId reduce, const Place& place, llvm::Value* active,
                llvm::Value* elsewhere);

  /// Joins the columns that count into `state`. Lanes that run together stay together, so that those of a row
  /// can share what they have reached.
  void fold(const std::vector<llvm::AllocaInst*>& state) const;

 private:
  FoldContext& c_;
  NodeId reduce_;
  Place place_;
  llvm::Value* active_;
  llvm::Value* elsewhere_;
  std::vector<llvm::Value*> bounds_;                   ///< of each column
  std::map<NodeId, std::vector<llvm::Value*>> known_;  ///< what else was computed of each
};

/// Bounds of what a lane holds in a block: of each column, or a group's once.
std::vector<llvm::Value*> bounds_in_block(FoldContext& context, NodeId bound, Place place);

}  // namespace gumtile::codegen
