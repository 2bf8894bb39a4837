#include "codegen/common/sweep_emitter.h"

#include <array>
#include <numeric>

#include "codegen/common/adjacent.h"
#include "codegen/common/column_contest.h"
#include "codegen/common/control_flow.h"

namespace gumtile::codegen {

using llvm::Value;

bool SweepEmitter::settles_accumulators() const {
  return c_.plan.bounded >= 0 && c_.source.can_replace_accumulators() &&
         c_.analysis.contraction_result != c_.analysis.contraction_node;
}

void SweepEmitter::settle_accumulators(int block) {
  c_.expressions.set_accumulated(c_.analysis.contraction_node);
  // All of them before the first is replaced: values of one may be computed beside those of others.
  std::vector<std::pair<Place, Value*>> settled;
  for (int member = 0; member < c_.expressions.chosen_member(); ++member)
    for (int row = 0; row < c_.plan.fragment.rows; ++row) {
      const Place place{row, block, member};
      settled.emplace_back(place, c_.expressions.value(c_.analysis.contraction_result, place));
    }
  for (const auto& [place, value] : settled) c_.source.set_accumulator(place, value);
  c_.expressions.set_accumulated(c_.analysis.contraction_result);
}

void SweepEmitter::fold(std::span<const RowStates> states, int first_row, int first_block, int blocks) {
  const int rows = static_cast<int>(states.size());
  for (size_t r = 0; r < c_.states.count(); ++r) {
    if (c_.states.reduction(r).bound == kNone) continue;
    if (contest_ && contest_->reduction() == r)
      contest_->enter(first_row, rows, first_block, blocks);
    else
      fold_bounded(r, states, first_row, first_block, blocks);
  }
  for (size_t r = 0; r < c_.states.count(); ++r) {
    const ReductionInfo& reduction = c_.states.reduction(r);
    if (reduction.bound != kNone) continue;
    const NodeId id = c_.states.node(r);
    const bool grouped = reduction_level(c_.plan.program, reduction) == Level::group;
    for (int row = 0; row < rows; ++row)
      for (int block = first_block; block < first_block + blocks; ++block) {
        const State& state = states[static_cast<size_t>(row)].components[r];
        if (!grouped) {
          fold_elements(id, state, first_row + row, block);
          continue;
        }
        for (int leader : c_.expressions.group_leaders())
          fold_group(id, state, {first_row + row, block, leader});
      }
  }
}

void SweepEmitter::fold_elements(NodeId id, const State& state, int row, int block) {
  const Node& node = c_.plan.program.nodes[id];
  const ReductionInfo& reduction = c_.plan.program.reductions[node.imm];
  const std::vector<Value*> identity = c_.ops.identity(reduction);
  std::vector<std::vector<Value*>> parts;
  for (size_t member = 0; member < c_.expressions.fragment_offsets().size(); ++member) {
    const Place place{row, block, static_cast<int>(member)};
    std::vector<Value*> lifted;
    for (size_t i = 0; i < node.operands.size(); ++i) {
      Value* value = c_.expressions.value(node.operands[i], place);
      lifted.push_back(c_.expressions.masked()
                           ? c_.b.CreateSelect(c_.expressions.column_valid(place), value, identity[i])
                           : value);
    }
    parts.push_back(std::move(lifted));
  }
  for (size_t step = 1; step < parts.size(); step *= 2)
    for (size_t i = 0; i + step < parts.size(); i += 2 * step)
      parts[i] = c_.ops.combine(reduction, parts[i], parts[i + step]);
  store_components(c_.b, c_.ops.combine(reduction, load_components(c_.b, state), parts[0]), state);
}

void SweepEmitter::fold_group(NodeId id, const State& state, const Place& place) {
  const Node& node = c_.plan.program.nodes[id];
  const ReductionInfo& reduction = c_.plan.program.reductions[node.imm];
  const std::vector<Value*> identity = c_.ops.identity(reduction);
  std::vector<Value*> lifted;
  for (size_t i = 0; i < node.operands.size(); ++i) {
    Value* value = c_.expressions.value(node.operands[i], place);
    lifted.push_back(c_.expressions.masked()
                         ? c_.b.CreateSelect(c_.expressions.group_valid(place), value, identity[i])
                         : value);
  }
  store_components(c_.b, c_.ops.combine(reduction, load_components(c_.b, state), lifted), state);
}

void SweepEmitter::fold_bounded(size_t r, std::span<const RowStates> states, int first_row, int first_block,
                                int blocks) {
  llvm::IRBuilder<>& b = c_.b;
  const NodeId id = c_.states.node(r);
  const ReductionInfo& reduction = c_.states.reduction(r);
  const DType dtype = reduction.state[0];
  const bool grouped = reduction_level(c_.plan.program, reduction) == Level::group;
  const bool best_first = !grouped && ColumnContest::is_possible(c_, id);
  Lanes* lanes = c_.source.lanes();
  struct Candidate {
    Place place;
    Value* needed;
    std::optional<ColumnContest> contest;  ///< if columns are folded in order of their bounds
  };
  std::vector<Candidate> candidates;
  Value* any = nullptr;
  // A candidate is skipped only if its bound is strictly below the row's best key: equal keys are still
  // compared by the tie rule.
  for (size_t i = 0; i < states.size(); ++i) {
    const int row = first_row + static_cast<int>(i);
    Value* active = c_.source.row_active(row);
    Value* elsewhere = lanes ? lanes->reached_elsewhere(id, row) : nullptr;
    Value* reached = get(b, states[i].components[r][0]);
    if (elsewhere) {
      const std::array<Value*, 2> both{elsewhere, reached};
      reached = b.CreateSelect(c_.ops.emit(Op::lt, dtype, DType::pred, both), reached, elsewhere);
    }
    for (int block = first_block; block < first_block + blocks; ++block)
      for (int leader : grouped ? c_.expressions.group_leaders() : std::vector<int>{0}) {
        const Place place{row, block, leader};
        std::optional<ColumnContest> contest;
        if (best_first) contest.emplace(c_, id, place, active, elsewhere);
        const std::array<Value*, 2> operands{
            grouped ? c_.expressions.value(reduction.bound, place)
                    : c_.largest(dtype, bounds_in_block(c_, reduction.bound, place)),
            reached};
        Value* needed = b.CreateNot(c_.ops.emit(Op::lt, dtype, DType::pred, operands));
        if (grouped && c_.expressions.masked())
          needed = b.CreateAnd(needed, c_.expressions.group_valid(place));
        if (needed->getType()->isVectorTy()) needed = b.CreateOrReduce(needed);
        if (active) needed = b.CreateAnd(needed, active);
        if (best_first) needed = lanes->any(needed);
        any = any ? b.CreateOr(any, needed) : needed;
        candidates.push_back({place, needed, std::move(contest)});
      }
  }
  llvm::BasicBlock* done = new_block(b, "dismissed");
  if (candidates.size() > 1) {
    llvm::BasicBlock* some = new_block(b, "candidates");
    b.CreateCondBr(any, some, done);
    b.SetInsertPoint(some);
  }
  for (size_t i = 0; i < candidates.size(); ++i) {
    llvm::BasicBlock* candidate = new_block(b, "candidate");
    llvm::BasicBlock* next = i + 1 == candidates.size() ? done : new_block(b, "next");
    b.CreateCondBr(candidates[i].needed, candidate, next);
    b.SetInsertPoint(candidate);
    // Reusing the bounds of single columns would keep too many values alive.
    if (grouped)
      c_.expressions.push_scope();
    else
      c_.expressions.push_fresh_scope();
    if (lanes) lanes->enter_rare_code();
    const Place& place = candidates[i].place;
    const State& state = states[static_cast<size_t>(place.row - first_row)].components[r];
    if (grouped)
      fold_group(id, state, place);
    else if (candidates[i].contest)
      candidates[i].contest->fold(state);
    else
      fold_elements(id, state, place.row, place.block);
    if (lanes) lanes->leave_rare_code();
    c_.expressions.pop_scope();
    b.CreateBr(next);
    b.SetInsertPoint(next);
  }
}

bool SweepEmitter::stores_tiles() const {
  for (const OutputInfo& output : c_.plan.program.outputs)
    if (output.kind == OutputInfo::Kind::tile) return true;
  return false;
}

void SweepEmitter::store_tiles(
    int row, Value* row_active, const std::function<TileOutput(size_t)>& output,
    const std::function<void(const std::function<void(int, int)>&)>& for_each_run) {
  llvm::IRBuilder<>& b = c_.b;
  for (size_t o = 0; o < c_.plan.program.outputs.size(); ++o) {
    const OutputInfo& info = c_.plan.program.outputs[o];
    if (info.kind != OutputInfo::Kind::tile) continue;
    const TileOutput to = output(o);
    Value* first = b.CreateMul(c_.source.row_index(row), c_.ops.splat(to.stride));
    if (!c_.source.has_runs()) {
      for_each_run([&](int block, int blocks) {
        store_each(info, row, block, blocks, c_.ops.splat(row_active), to.address, first);
      });
      continue;
    }
    const auto bytes = b.getInt64(static_cast<int64_t>(size_bytes(info.dtype)));
    emit_if(b, row_active, [&] {
      Value* at = b.CreateAdd(to.address, b.CreateMul(first, bytes));
      Value* alignment =
          alignment_bits(b, to.address, to.stride, static_cast<int64_t>(size_bytes(info.dtype)));
      for_each_run([&](int block, int blocks) { store_runs(info, row, block, blocks, at, alignment); });
    });
  }
}

/// Stores each column separately, if it exists and `active` holds.
void SweepEmitter::store_each(const OutputInfo& output, int row, int first_block, int blocks, Value* active,
                              Value* address, Value* first) {
  llvm::IRBuilder<>& b = c_.b;
  const int64_t first_column = c_.plan.problem.first_column;
  for (int block = first_block; block < first_block + blocks; ++block)
    for (int member = 0; member < c_.expressions.chosen_member(); ++member) {
      const Place place{row, block, member};
      Value* stored = c_.ops.to_storage(output.dtype, c_.expressions.value(output.node, place));
      Value* column = c_.expressions.column(place);
      if (first_column != 0)
        column = b.CreateSub(column, c_.ops.constant(DType::u32, static_cast<uint64_t>(first_column)));
      Value* index = b.CreateAdd(first, b.CreateZExt(column, c_.ops.type(DType::i64)));
      Value* mask = active;
      if (c_.expressions.masked()) mask = b.CreateAnd(mask, c_.expressions.column_valid(place));
      c_.source.store(stored, address, index, mask);
    }
}

/// Stores columns at constant distances from one address, adjacent ones together if the output's alignment
/// allows it. One condition guards them all; each is tested separately only if the range ends among them.
void SweepEmitter::store_runs(const OutputInfo& output, int row, int first_block, int blocks, Value* address,
                              Value* alignment) {
  llvm::IRBuilder<>& b = c_.b;
  ExpressionEmitter& e = c_.expressions;
  const auto bytes = static_cast<int64_t>(size_bytes(output.dtype));
  const auto word = [&](int64_t value) { return b.getInt64(static_cast<uint64_t>(value)); };
  e.push_scope();
  std::vector<Place> places;
  std::vector<int64_t> offsets;
  std::vector<Value*> stored;
  for (int block = first_block; block < first_block + blocks; ++block)
    for (int member = 0; member < e.chosen_member(); ++member) {
      places.push_back({row, block, member});
      const SplitInteger column = e.split_column(places.back());
      offsets.push_back(static_cast<int64_t>(column.offset) * bytes);
      stored.push_back(c_.ops.to_storage(output.dtype, e.value(output.node, places.back())));
    }
  const int64_t first_column = c_.plan.problem.first_column;
  Value* base = b.CreateSub(b.CreateZExt(e.split_column(places[0]).base, b.getInt64Ty()), word(first_column));
  Value* at = b.CreateAdd(address, b.CreateMul(base, word(bytes)));
  const auto store = [&](size_t first, size_t count) {
    c_.source.store_run(std::span(stored).subspan(first, count), at, offsets[first]);
  };
  const auto store_all_by = [&](size_t count) {
    for (size_t i = 0; i < stored.size(); i += count) store(i, count);
  };
  const auto store_all = [&] {
    if (first_column % 2 != 0 || !are_pairs(offsets, bytes)) {
      store_all_by(1);
      return;
    }
    emit_if_else(
        b, is_aligned(b, alignment, 2 * bytes), [&] { store_all_by(2); }, [&] { store_all_by(1); });
  };
  const auto store_existing = [&] {
    for (size_t i = 0; i < stored.size(); ++i) emit_if(b, e.column_valid(places[i]), [&] { store(i, 1); });
  };
  if (!e.masked())
    store_all();
  else if (e.blocks_whole() && blocks == 1)
    emit_if(b, e.column_valid(places[0]), store_all);
  else
    emit_if_else(b, b.CreateAnd(e.column_valid(places.front()), e.column_valid(places.back())), store_all,
                 store_existing);
  e.pop_scope();
}

}  // namespace gumtile::codegen
