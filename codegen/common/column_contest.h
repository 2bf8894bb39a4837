#pragma once

#include <map>
#include <vector>

#include "codegen/common/fold_context.h"

namespace gumtile::codegen {

/// A contest between the columns that a lane holds in one block, which folds them into a reduction whose
/// columns have bounds. To fold a value is to combine it into the running state. Columns are folded one at a
/// time, the largest bound first, until no remaining bound can change the state: usually after one column.
/// The column is chosen at run time, so that one copy of the code serves all columns: a copy per column does
/// not fit the instruction caches, and fetching the copies took half of the epilogue's time.
class ColumnContest {
 public:
  /// Whether the columns of a block can compete for a reduce node. Lanes that are elements of vectors cannot:
  /// they would choose different columns.
  static bool is_possible(const FoldContext& context, NodeId reduce);

  /// Computes the bounds, and keeps other values of each column that are already computed. `active`: whether
  /// the row counts (i1), or null. `elsewhere`: the best key that the row has reached in other lanes or
  /// blocks, or null.
  ColumnContest(FoldContext& context, NodeId reduce, const Place& place, llvm::Value* active,
                llvm::Value* elsewhere);

  /// Folds the columns that count into `state`. The lanes of a warp stay converged, so that those of a row
  /// can share the best key they have reached.
  void fold(const std::vector<llvm::AllocaInst*>& state) const;

 private:
  FoldContext& c_;
  NodeId reduce_;
  Place place_;
  llvm::Value* active_;
  llvm::Value* elsewhere_;
  std::vector<llvm::Value*> bounds_;                   ///< of each column
  std::map<NodeId, std::vector<llvm::Value*>> known_;  ///< other values already computed, per column
};

/// The bounds in a lane's part of a block: one per column, or one per group.
std::vector<llvm::Value*> bounds_in_block(FoldContext& context, NodeId bound, Place place);

}  // namespace gumtile::codegen
