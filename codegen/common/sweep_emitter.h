#pragma once

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "codegen/common/fold_context.h"
#include "codegen/common/group_contest.h"

namespace gumtile::codegen {

/// What every backend does with a fragment: folds it into the running reductions, and stores tiles.
class SweepEmitter {
 public:
  SweepEmitter(const KernelPlan& plan, OpEmitter& ops, FragmentSource& source) : c_(plan, ops, source) {}
  SweepEmitter(const SweepEmitter&) = delete;
  SweepEmitter& operator=(const SweepEmitter&) = delete;

  /// Whether the contraction's values are to become what all other nodes read of them (a biased or capped
  /// value), before anything is folded: columns and groups that bounds do not dismiss would be computed a
  /// second time.
  bool settles_accumulators() const;
  /// Does so for all rows of a block, which share what they read of its columns.
  void settle_accumulators(int block);

  /// Folds `blocks` blocks of 64 columns of the rows from `first_row` on into `states` (one per row).
  /// Reductions with a bound come first: the bounds of all groups are computed side by side, so that their
  /// latencies overlap, and groups that cannot change the state are skipped. What the others compute for
  /// every group would only stay alive for the few that are not.
  /// If groups compete, their bounds are only noted.
  void fold(std::span<const RowStates> states, int first_row, int first_block, int blocks);

  /// Makes `reduction` (an index of a sweep reduction) one whose groups compete, if that is possible.
  void let_groups_compete(size_t reduction) { contest_ = GroupContest::make(c_, reduction); }
  /// The contest, if there is one.
  std::optional<GroupContest>& contest() { return contest_; }

  /// A matrix to which a tile output goes: its address and the distance of its rows in elements (i64s).
  struct TileOutput {
    llvm::Value* address;
    llvm::Value* stride;
  };
  /// Stores one row's columns to the tile outputs if `row_active` (i1). `for_each_run` calls what it is given
  /// for runs of blocks (the first, and how many) that share a base (`FragmentSource::column_base`).
  void store_tiles(int row, llvm::Value* row_active, const std::function<TileOutput(size_t)>& output,
                   const std::function<void(const std::function<void(int, int)>&)>& for_each_run);
  bool stores_tiles() const;

  ExpressionEmitter& expressions() { return c_.expressions; }
  SweepStates& states() { return c_.states; }

 private:
  using State = std::vector<llvm::AllocaInst*>;

  void fold_elements(NodeId id, const State& state, int row, int block);
  void fold_group(NodeId id, const State& state, const Place& place);
  void store_each(const OutputInfo& output, int row, int first_block, int blocks, llvm::Value* active,
                  llvm::Value* address, llvm::Value* first);
  void store_runs(const OutputInfo& output, int row, int first_block, int blocks, llvm::Value* address,
                  llvm::Value* alignment);
  void fold_bounded(size_t reduction, std::span<const RowStates> states, int first_row, int first_block,
                    int blocks);

  FoldContext c_;
  std::optional<GroupContest> contest_;
};

}  // namespace gumtile::codegen
