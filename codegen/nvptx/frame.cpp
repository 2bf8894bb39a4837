#include "codegen/nvptx/frame.h"

#include "codegen/common/loop.h"
#include "codegen/nvptx/ptx.h"

namespace gumtile::codegen {

using llvm::Value;

void emit_if(llvm::IRBuilder<>& b, Value* condition, const std::function<void()>& body) {
  llvm::Function* f = b.GetInsertBlock()->getParent();
  auto* then = llvm::BasicBlock::Create(b.getContext(), "then", f);
  auto* next = llvm::BasicBlock::Create(b.getContext(), "next", f);
  b.CreateCondBr(condition, then, next);
  b.SetInsertPoint(then);
  body();
  b.CreateBr(next);
  b.SetInsertPoint(next);
}

void for_each_thread(llvm::IRBuilder<>& b, Value* thread, int count, int threads,
                     const std::function<void(Value*)>& body) {
  Loop loop(b, thread, b.getInt32(static_cast<uint32_t>(count)), threads, "each");
  body(loop.index());
  loop.close();
}

StateValues join_lanes(SweepEmitter& sweep, OpEmitter& ops, const StateValues& states, Value* lane,
                       std::initializer_list<int> bits) {
  llvm::IRBuilder<>& b = ops.b;
  StateValues joined = states;
  for (int bit : bits) {
    // Both lanes of a pair combine in the same order, so that they get the same bits.
    Value* upper = b.CreateICmpNE(b.CreateAnd(lane, static_cast<uint64_t>(bit)), b.getInt32(0));
    const std::vector<Value*> mine = sweep.to_words(joined);
    std::vector<Value*> left;
    std::vector<Value*> right;
    for (Value* word : mine) {
      Value* other = ptx::shuffle_xor(b, word, bit);
      left.push_back(b.CreateSelect(upper, other, word));
      right.push_back(b.CreateSelect(upper, word, other));
    }
    joined = sweep.combine(sweep.from_words(left), sweep.from_words(right));
  }
  return joined;
}

Value* GpuSource::element(size_t bytes, Value* address, Value* index) {
  return b.CreateIntToPtr(b.CreateAdd(address, b.CreateMul(index, b.getInt64(bytes))), b.getPtrTy(1));
}

Value* GpuSource::load(DType dtype, Value* address, Value* index) {
  const size_t bytes = size_bytes(dtype);
  return b.CreateAlignedLoad(ops_.storage_type(dtype), element(bytes, address, index), llvm::Align(bytes));
}

void GpuSource::store(Value* stored, Value* address, Value* index, Value* mask) {
  const size_t bytes = stored->getType()->getScalarSizeInBits() / 8;
  auto emit = [&] { b.CreateAlignedStore(stored, element(bytes, address, index), llvm::Align(bytes)); };
  if (mask)
    emit_if(b, mask, emit);
  else
    emit();
}

GpuFrame::GpuFrame(const KernelPlan& plan, OpEmitter& ops, const Arguments& arguments,
                   llvm::GlobalVariable* shared)
    : GpuSource(ops, arguments),
      plan_(plan),
      analysis_(*plan.analysis),
      shared_(shared),
      sweep_(plan, ops, *this),
      bounded_(plan.bounded >= 0 ? static_cast<size_t>(plan.bounded)
                                 : plan.analysis->sweep_reductions.size()) {
  auto i32 = [&](int value) { return b.getInt32(static_cast<uint32_t>(value)); };
  thread_ = ptx::thread_index(b);
  lane_ = b.CreateAnd(thread_, 31);
  warp_ = b.CreateLShr(thread_, 5);
  const bool warpgroups = std::holds_alternative<WgmmaSchedule>(plan.schedule.family);
  Value* group = warpgroups ? b.CreateLShr(thread_, 7) : warp_;
  turn_ = b.getInt32(0);
  if (plan.turns > 1) {
    const int groups = plan.consumers / 128 / plan.turns;
    turn_ = b.CreateUDiv(group, i32(groups));
    group = b.CreateURem(group, i32(groups));
  }
  warp_n_ = b.CreateURem(group, i32(plan.warps_n));
  warp_m_ = b.CreateUDiv(group, i32(plan.warps_n));
  warp_row_ = b.CreateMul(warp_m_, i32((warpgroups ? 32 : 8) * plan.fragment.rows));
  if (warpgroups) warp_row_ = b.CreateAdd(warp_row_, b.CreateShl(b.CreateAnd(warp_, 3), 4));
  first_row_ = b.CreateMul(b.CreateZExt(ptx::block_index_y(b), b.getInt64Ty()),
                           b.getInt64(static_cast<uint64_t>(plan.launch.rows_per_block)));
  worker_ = ptx::block_index_x(b);
  workers_ = b.CreateTrunc(arguments.workers(), b.getInt32Ty());
  // The two low bits of the lane's number, spread over the bits that the fragment's mask leaves of a block
  // of 64.
  std::vector<uint64_t> free_bits;
  for (uint64_t bit = 0; bit < 6; ++bit)
    if (!((plan.fragment.mask >> bit) & 1)) free_bits.push_back(bit);
  Value* low = b.CreateShl(b.CreateAnd(lane_, 1), free_bits[0]);
  Value* high = b.CreateShl(b.CreateAnd(b.CreateLShr(lane_, 1), 1), free_bits[1]);
  lane_columns_ = b.CreateOr(low, high);
}

Value* GpuFrame::shared(Value* offset_bytes) { return b.CreateGEP(b.getInt8Ty(), shared_, offset_bytes); }

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
  if (finished_local_) return finished_local_;
  if (row == Place::kChosen) {
    Value* pair = b.CreateMul(b.CreateLShr(chosen_.row, 1),
                              b.getInt32(static_cast<uint32_t>(plan_.fragment.row_pair_step)));
    Value* offset = b.CreateAdd(pair, b.CreateShl(b.CreateAnd(chosen_.row, 1), 3));
    return b.CreateAdd(warp_row_, b.CreateAdd(b.CreateLShr(lane_, 2), offset));
  }
  const int offset = row / 2 * plan_.fragment.row_pair_step + row % 2 * 8;
  Value* in_warp = b.CreateAdd(b.CreateLShr(lane_, 2), b.getInt32(static_cast<uint32_t>(offset)));
  return b.CreateAdd(warp_row_, in_warp);
}

Value* GpuFrame::clamp_row(Value* row) {
  return b.CreateBinaryIntrinsic(llvm::Intrinsic::smin, row, b.CreateSub(arguments_.rows(), b.getInt64(1)));
}

Value* GpuFrame::row_index(int row) {
  if (current_row) return current_row;  // while the row table is made, or a row finished
  return clamp_row(b.CreateAdd(first_row_, b.CreateZExt(local_row(row), b.getInt64Ty())));
}

Value* GpuFrame::row_value(NodeId node, size_t which, int row) {
  if (const auto found = finished.find({node, which}); found != finished.end()) return found->second;
  for (const Slot& slot : plan_.row_table) {
    if (slot.node != node) continue;
    Value* base = b.CreateMul(local_row(row), b.getInt32(static_cast<uint32_t>(4 * plan_.row_table_words)));
    std::vector<Value*> words;
    for (int i = 0; i < slot.words; ++i) {
      const auto offset = static_cast<uint32_t>(plan_.shared_row_table + 4 * (slot.word + i));
      words.push_back(
          b.CreateAlignedLoad(b.getInt32Ty(), shared(b.CreateAdd(base, b.getInt32(offset))), llvm::Align(4)));
    }
    return join_words(ops_, plan_.program.nodes[node].dtype, words.data());
  }
  llvm_unreachable("not in the row table");
}

Value* GpuFrame::row_active(int row) {
  Value* index = b.CreateAdd(first_row_, b.CreateZExt(local_row(row), b.getInt64Ty()));
  Value* exists = b.CreateICmpSLT(index, arguments_.rows());
  const NodeId guard = plan_.program.row_guard;
  if (guard == kNone) return exists;
  const Node& node = plan_.program.nodes[guard];
  if (node.op == Op::constant) return node.imm != 0 ? exists : b.getFalse();
  // The table has zeros for rows that do not exist, but for values that are the same for all rows.
  if (analysis_.nodes[guard].per_row) return row_value(guard, 0, row);
  return b.CreateAnd(exists, row_value(guard, 0, row));
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
  if (bounded_ == analysis_.sweep_reductions.size()) return false;
  const Node& node = plan_.program.nodes[analysis_.sweep_reductions[bounded_]];
  return reduction_level(plan_.program, plan_.program.reductions[node.imm]) == Level::group;
}

void GpuFrame::begin() {
  begin_states();
  fill_row_table(thread_, plan_.threads);
  ptx::barrier(b);
}

void GpuFrame::begin_states() {
  for (int i = 0; i < plan_.fragment.rows; ++i) {
    states_.push_back(sweep_.make_states());
    sweep_.store(states_.back(), sweep_.identity());
  }
  if (bounded_ < analysis_.sweep_reductions.size())
    for (int i = 0; i < plan_.fragment.rows; ++i) {
      llvm::Function* f = b.GetInsertBlock()->getParent();
      llvm::IRBuilder<> entry(&f->getEntryBlock(), f->getEntryBlock().begin());
      reached_.push_back(entry.CreateAlloca(entry.getInt32Ty()));
      b.CreateStore(b.getInt32(0), reached_.back());
    }
  if (bounded_ < analysis_.sweep_reductions.size()) sweep_.let_groups_compete(bounded_);
}

void GpuFrame::fill_row_table(Value* thread, int threads) {
  if (plan_.row_table.empty()) return;
  for_each_thread(b, thread, plan_.launch.rows_per_block, threads, [&](Value* local) {
    current_row = b.CreateAdd(first_row_, b.CreateZExt(local, b.getInt64Ty()));
    Value* base = b.CreateMul(local, b.getInt32(static_cast<uint32_t>(4 * plan_.row_table_words)));
    emit_row_table(
        plan_, ops_, *this, b.CreateICmpSLT(current_row, arguments_.rows()), [&](int at, Value* value) {
          const auto offset = static_cast<uint32_t>(plan_.shared_row_table + 4 * at);
          b.CreateAlignedStore(value, shared(b.CreateAdd(base, b.getInt32(offset))), llvm::Align(4));
        });
  });
  current_row = nullptr;
}

void GpuFrame::fold_blocks(int first_row, int rows, int first_block, int blocks) {
  // The first and the last tile may be ragged. A second copy of the epilogue without tests of columns would
  // double the code (and the time to compile it) to save a few instructions of a group.
  sweep_.expressions().reset();
  sweep_.expressions().set_masked(!plan_.tiles_are_whole());
  sweep_.fold(std::span(states_).subspan(static_cast<size_t>(first_row), static_cast<size_t>(rows)),
              first_row, first_block, blocks);
  if (!sweep_.stores_tiles()) return;
  for (int i = first_row; i < first_row + rows; ++i)
    for (int block = first_block; block < first_block + blocks; ++block)
      sweep_.store_tiles(
          i, block, row_active(i), [&](size_t o) { return arguments_.output(o); },
          [&](size_t o) { return arguments_.output_stride(o); });
}

void GpuFrame::begin_tile(Value* first_column) {
  auto i32 = [&](int value) { return b.getInt32(static_cast<uint32_t>(value)); };
  Value* warp_column = b.CreateAdd(first_column, b.CreateMul(warp_n_, i32(64 * plan_.fragment.blocks)));
  pair_bases_.clear();
  for (int block = 0; block < plan_.fragment.blocks; block += blocks_together())
    pair_bases_.push_back(b.CreateOr(b.CreateAdd(warp_column, i32(64 * block)), lane_columns_));
}

void GpuFrame::prepare_tile() {
  ask_reached(b.getTrue());
  // Larger states leave no registers for it.
  if (sweep_.groups_compete() && plan_.join == Join::packed) sweep_.prepare_contest();
}

void GpuFrame::finish_tile(const std::function<llvm::AllocaInst*(const Place&)>& accumulate, Value* present,
                           Value* first) {
  accumulate_ = accumulate;
  auto i32 = [&](int value) { return b.getInt32(static_cast<uint32_t>(value)); };
  // Rows that no lane of the warp has are not folded. Where a fold is short (few groups are more than a
  // bound), rows go together, so that their latencies overlap; else one by one, or they would need too many
  // registers.
  // Tests of single columns take some more where accumulators leave the fewest.
  const bool is_whole = plan_.problem.columns % 64 == 0 && plan_.problem.first_column % 64 == 0;
  const bool is_roomy = is_whole || plan_.fragment.rows * plan_.fragment.blocks < 8;
  const bool is_short = plan_.join == Join::packed && folds_groups_by_bound() && is_roomy;
  const int rows_together = is_short ? std::min(plan_.fragment.rows, 2) : 1;
  const int blocks_folded = folds_groups_by_bound() ? blocks_together() : 1;
  Value* left =
      b.CreateSub(arguments_.rows(), b.CreateAdd(first_row_, b.CreateZExt(warp_row_, b.getInt64Ty())));
  auto rows_exist = [&](int row) {
    const int offset = row / 2 * plan_.fragment.row_pair_step + row % 2 * 8;
    return b.CreateICmpSGT(left, b.getInt64(static_cast<uint64_t>(offset)));
  };
  if (sweep_.settles_accumulators())
    for (int block = 0; block < plan_.fragment.blocks; ++block) {
      Value* wanted = rows_exist(0);
      if (present) wanted = b.CreateAnd(wanted, b.CreateICmpSLT(i32(block), present));
      emit_if(b, wanted, [&] {
        sweep_.expressions().reset();
        sweep_.expressions().set_masked(!plan_.tiles_are_whole());
        sweep_.settle_accumulators(block);
      });
    }
  if (sweep_.groups_compete()) sweep_.open_contest();
  for (int block = 0; block < plan_.fragment.blocks; block += blocks_folded)
    for (int row = 0; row < plan_.fragment.rows; row += rows_together) {
      Value* wanted = rows_exist(row);
      if (present) wanted = b.CreateAnd(wanted, b.CreateICmpSLT(i32(block), present));
      emit_if(b, wanted, [&] { fold_blocks(row, rows_together, block, blocks_folded); });
    }
  if (bounded_ == analysis_.sweep_reductions.size()) return;
  if (sweep_.groups_compete()) {
    emit_if(b, rows_exist(0), [&] { settle_contest(first); });
    return;
  }
  emit_if(b, rows_exist(0), [&] {
    for (int i = 0; i < plan_.fragment.rows; ++i)
      push(sweep_.load(states_[static_cast<size_t>(i)]), i, false);
  });
}

/// In a block's first tile no other tile has set a mark, and all blocks come to it at the same time: what a
/// round has reached is told at once, and what others have is asked for before every round, and after the
/// first.
void GpuFrame::settle_contest(Value* first) {
  if (!first) first = b.getFalse();
  llvm::Function* f = b.GetInsertBlock()->getParent();
  llvm::IRBuilder<> entry(&f->getEntryBlock(), f->getEntryBlock().begin());
  llvm::AllocaInst* begins = entry.CreateAlloca(entry.getInt1Ty());
  b.CreateStore(first, begins);
  sweep_.settle_contest(
      states_, [&] { ask_reached(first); },
      [&](Value* rises, std::span<Value* const> state) {
        push_chosen(rises, state);
        ask_reached(b.CreateLoad(b.getInt1Ty(), begins));
        b.CreateStore(b.getFalse(), begins);
      });
}

}  // namespace gumtile::codegen
