#pragma once

#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "codegen/common/fold_context.h"
#include "codegen/common/group_contest.h"

namespace gumtile::codegen {

/// What every backend does with a fragment, the values that a lane holds of a tile: folds it into the running
/// reductions, and stores tile outputs.
class SweepEmitter {
 public:
  SweepEmitter(const KernelPlan& plan, OpEmitter& ops, FragmentSource& source) : c_(plan, ops, source) {}
  SweepEmitter(const SweepEmitter&) = delete;
  SweepEmitter& operator=(const SweepEmitter&) = delete;

  /// Whether to replace the contraction's values, before anything is folded, by the value that all other
  /// nodes read (a biased or capped one). Otherwise it would be computed a second time for columns and groups
  /// that their bounds do not dismiss.
  bool settles_accumulators() const;
  /// Does so for all rows of a block, which share the loads for its columns.
  void settle_accumulators(int block);

  /// Folds `blocks` blocks of 64 columns of the rows from `first_row` on into `states` (one per row).
  /// Reductions with a bound come first: the bounds of all groups are computed side by side, so that their
  /// latencies overlap, and groups that cannot change the state are skipped. If the other reductions came
  /// first, their values for every group would stay alive for the few groups that are not skipped.
  /// If groups compete (see GroupContest), only their bounds are stored.
  void fold(std::span<const RowStates> states, int first_row, int first_block, int blocks);

  /// Lets the groups of sweep reduction number `reduction` compete, if that is possible.
  void let_groups_compete(size_t reduction) { contest_ = GroupContest::make(c_, reduction); }
  /// The contest, if there is one.
  std::optional<GroupContest>& contest() { return contest_; }

  /// The matrix of a tile output: its address, and the distance between rows in elements (i64s).
  struct TileOutput {
    llvm::Value* address;
    llvm::Value* stride;
  };
  /// Stores one row's columns to the tile outputs if `row_active` (i1). `for_each_run` calls its argument for
  /// each run of blocks (the first block, and how many) that share a base (`FragmentSource::column_base`).
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
