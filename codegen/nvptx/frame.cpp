#include "codegen/nvptx/frame.h"

#include "codegen/common/control_flow.h"
#include "codegen/nvptx/ptx.h"

namespace gumtile::codegen {

using llvm::Value;

GpuFrame::GpuFrame(const KernelPlan& plan, OpEmitter& ops, const Arguments& arguments,
                   llvm::GlobalVariable* shared)
    : GpuSource(ops, arguments),
      plan_(plan),
      threads_(ops.b, plan, arguments),
      shared_(ops.b, shared),
      sweep_(plan, ops, *this),
      table_(plan, ops, arguments, threads_, shared_),
      join_(plan, ops, arguments, threads_, shared_, table_, sweep_.states()) {}

// ---- what expressions read ----

Value* GpuFrame::any(Value* condition) { return ptx::vote_any(b, condition); }
Value* GpuFrame::from(Value* word, int bit) { return ptx::shuffle_xor(b, word, bit); }

Value* GpuFrame::accumulated(const Place& place) {
  const auto load = [&](const Place& at) { return b.CreateLoad(b.getFloatTy(), accumulate_(at)); };
  if (place.row != Place::kChosen) return load(place);
  std::vector<Value*> of_rows;
  for (int row = 0; row < plan_.fragment.rows; ++row) {
    std::vector<Value*> values;
    for (int block = 0; block < plan_.fragment.blocks; ++block)
      values.push_back(load({row, block, place.member}));
    of_rows.push_back(pick(b, chosen_.block, std::move(values)));
  }
  return pick(b, chosen_.row, std::move(of_rows));
}

Value* GpuFrame::accumulator(const Place& place) {
  return rare_ ? ptx::opaque(b, accumulated(place)) : accumulated(place);
}

void GpuFrame::set_accumulator(const Place& place, Value* value) { b.CreateStore(value, accumulate_(place)); }

Value* GpuFrame::local_row(int row) {
  return row == Place::kChosen ? threads_.local_row(chosen_.row) : threads_.local_row(row);
}

Value* GpuFrame::row_value(NodeId node, size_t /*which*/, int row) {
  return table_.value(node, local_row(row));
}

SplitInteger GpuFrame::column_base(int block) {
  const int together = blocks_together();
  if (block == Place::kChosen)
    return {b.CreateAdd(pair_bases_[0], b.CreateShl(chosen_.block, 6)), 0, plan_.fragment.mask};
  const auto offset = static_cast<uint32_t>(block % together * 64);
  Value* base = pair_bases_[static_cast<size_t>(block / together)];
  if (rare_ && !folds_groups_by_bound()) base = ptx::opaque(b, base);
  return {base, offset, plan_.fragment.mask | static_cast<uint32_t>(64 * (together - 1))};
}

int GpuFrame::blocks_together() const {
  return plan_.fragment.blocks % 2 == 0 && plan_.launch.columns_per_unit % 128 == 0 ? 2 : 1;
}

bool GpuFrame::folds_groups_by_bound() const {
  if (plan_.bounded < 0) return false;
  const NodeId id = plan_.analysis->sweep_reductions[static_cast<size_t>(plan_.bounded)];
  return reduction_level(plan_.program, plan_.program.reductions[plan_.program.nodes[id].imm]) ==
         Level::group;
}

// ---- the epilogue ----

void GpuFrame::begin() {
  begin_states();
  table_.fill(threads_.thread, plan_.threads);
  ptx::barrier(b);
}

void GpuFrame::begin_states() {
  for (int i = 0; i < plan_.fragment.rows; ++i) {
    states_.push_back(sweep_.states().make());
    sweep_.states().store(states_.back(), sweep_.states().identity());
  }
  join_.begin();
  if (join_.shares_progress()) sweep_.let_groups_compete(join_.bounded());
}

void GpuFrame::begin_tile(Value* first_column) {
  auto i32 = [&](int value) { return b.getInt32(static_cast<uint32_t>(value)); };
  Value* warp_column =
      b.CreateAdd(first_column, b.CreateMul(threads_.warp_n, i32(64 * plan_.fragment.blocks)));
  pair_bases_.clear();
  for (int block = 0; block < plan_.fragment.blocks; block += blocks_together())
    pair_bases_.push_back(b.CreateOr(b.CreateAdd(warp_column, i32(64 * block)), threads_.lane_columns));
}

void GpuFrame::prepare_tile() {
  ask_reached(b.getTrue());
  // Larger states leave no registers for the prepared values.
  if (sweep_.contest() && plan_.join == Join::packed) sweep_.contest()->prepare();
}

/// Columns are tested in every tile if the first or the last one may be ragged. A second copy of the epilogue
/// without these tests would double the code (and the time to compile it) to save a few instructions per
/// group.
void GpuFrame::start_expressions() {
  sweep_.expressions().reset();
  sweep_.expressions().set_masked(!plan_.tiles_are_whole());
}

void GpuFrame::fold_blocks(int first_row, int rows, int first_block, int blocks) {
  start_expressions();
  sweep_.fold(std::span(states_).subspan(static_cast<size_t>(first_row), static_cast<size_t>(rows)),
              first_row, first_block, blocks);
}

void GpuFrame::store_row(int row, Value* present) {
  start_expressions();
  const auto output = [&](size_t o) {
    return SweepEmitter::TileOutput{arguments_.output(o), arguments_.output_stride(o)};
  };
  sweep_.store_tiles(row, row_active(row), output, [&](const std::function<void(int, int)>& store) {
    for (int block = 0; block < plan_.fragment.blocks; block += blocks_together()) {
      const auto store_run = [&] { store(block, blocks_together()); };
      if (present)
        emit_if(b, b.CreateICmpSLT(b.getInt32(static_cast<uint32_t>(block)), present), store_run);
      else
        store_run();
    }
  });
}

Value* GpuFrame::some_row_exists(Value* rows_left, int row) {
  return b.CreateICmpSGT(rows_left, b.getInt64(static_cast<uint64_t>(threads_.row_offset(row))));
}

void GpuFrame::finish_tile(const std::function<llvm::AllocaInst*(const Place&)>& accumulate, Value* present,
                           Value* first) {
  accumulate_ = accumulate;
  // Rows that exist in no lane of the warp are not folded. If a fold is short (for most groups only the bound
  // is computed), rows are folded together, so that their latencies overlap. Otherwise they are folded one at
  // a time, since together they would need too many registers. Tests of single columns need some more
  // registers; if accumulators leave the fewest, rows are not folded together either.
  const bool is_whole = plan_.problem.columns % 64 == 0 && plan_.problem.first_column % 64 == 0;
  const bool is_roomy = is_whole || plan_.fragment.rows * plan_.fragment.blocks < 8;
  const bool is_short = plan_.join == Join::packed && folds_groups_by_bound() && is_roomy;
  const int rows_together = is_short ? std::min(plan_.fragment.rows, 2) : 1;
  const int blocks_folded = folds_groups_by_bound() ? blocks_together() : 1;
  Value* rows_left = b.CreateSub(arguments_.rows(), threads_.global_row(threads_.warp_row));
  const auto is_there = [&](int row, int block) {
    Value* exists = some_row_exists(rows_left, row);
    if (!present) return exists;
    return b.CreateAnd(exists, b.CreateICmpSLT(b.getInt32(static_cast<uint32_t>(block)), present));
  };
  if (sweep_.settles_accumulators())
    for (int block = 0; block < plan_.fragment.blocks; ++block)
      emit_if(b, is_there(0, block), [&] {
        start_expressions();
        sweep_.settle_accumulators(block);
      });
  if (sweep_.stores_tiles())
    for (int row = 0; row < plan_.fragment.rows; ++row) store_row(row, present);
  if (sweep_.contest()) sweep_.contest()->open();
  for (int block = 0; block < plan_.fragment.blocks; block += blocks_folded)
    for (int row = 0; row < plan_.fragment.rows; row += rows_together)
      emit_if(b, is_there(row, block), [&] { fold_blocks(row, rows_together, block, blocks_folded); });
  if (!join_.shares_progress()) return;
  emit_if(b, some_row_exists(rows_left, 0), [&] {
    if (sweep_.contest()) {
      settle_contest(first);
      return;
    }
    for (int i = 0; i < plan_.fragment.rows; ++i)
      join_.push(sweep_.states().load(states_[static_cast<size_t>(i)]), i, false);
  });
}

/// When a block starts its first tile, no progress has been published, and all blocks reach that point at the
/// same time. So in the first tile the block reads the others' progress before every round, and after the
/// first. A round's own progress is always published at once.
void GpuFrame::settle_contest(Value* first) {
  if (!first) first = b.getFalse();
  llvm::AllocaInst* begins = Variables(b).make(b.getInt1Ty());
  b.CreateStore(first, begins);
  sweep_.contest()->settle(
      states_, [&] { ask_reached(first); },
      [&](Value* rises, std::span<Value* const> state) {
        join_.push_chosen(rises, state, local_row(Place::kChosen));
        ask_reached(get(b, begins));
        b.CreateStore(b.getFalse(), begins);
      });
}

}  // namespace gumtile::codegen
