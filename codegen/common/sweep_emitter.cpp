#include "codegen/common/sweep_emitter.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace gumtile::codegen {

using llvm::Value;

std::vector<Value*> split_words(OpEmitter& ops, DType dtype, Value* value) {
  llvm::IRBuilder<>& b = ops.b;
  llvm::Type* word = ops.type(DType::u32);
  if (dtype == DType::pred) return {b.CreateZExt(value, word)};
  if (size_bytes(dtype) == 8)
    return {b.CreateTrunc(value, word), b.CreateTrunc(b.CreateLShr(value, 32), word)};
  return {b.CreateBitCast(value, word)};
}

Value* join_words(OpEmitter& ops, DType dtype, const Value* const* words) {
  llvm::IRBuilder<>& b = ops.b;
  auto* low = const_cast<Value*>(words[0]);
  if (dtype == DType::pred) return b.CreateICmpNE(low, llvm::Constant::getNullValue(low->getType()));
  if (size_bytes(dtype) != 8) return b.CreateBitCast(low, ops.type(dtype));
  llvm::Type* wide = ops.type(DType::u64);
  return b.CreateOr(b.CreateZExt(low, wide),
                    b.CreateShl(b.CreateZExt(const_cast<Value*>(words[1]), wide), 32));
}

RowStates SweepEmitter::make_states() const {
  llvm::Function* f = b.GetInsertBlock()->getParent();
  llvm::IRBuilder<> entry(&f->getEntryBlock(), f->getEntryBlock().begin());
  RowStates states;
  for (NodeId id : analysis_.sweep_reductions) {
    std::vector<llvm::AllocaInst*> parts;
    for (DType dtype : reduction_of(id).state) parts.push_back(entry.CreateAlloca(ops_.type(dtype)));
    states.components.push_back(std::move(parts));
  }
  return states;
}

void SweepEmitter::store(const RowStates& states, const StateValues& values) {
  for (size_t r = 0; r < values.size(); ++r)
    for (size_t i = 0; i < values[r].size(); ++i) b.CreateStore(values[r][i], states.components[r][i]);
}

std::vector<Value*> SweepEmitter::load_components(const std::vector<llvm::AllocaInst*>& state) {
  std::vector<Value*> values;
  for (llvm::AllocaInst* part : state) values.push_back(b.CreateLoad(part->getAllocatedType(), part));
  return values;
}

StateValues SweepEmitter::load(const RowStates& states) {
  StateValues values;
  for (const auto& state : states.components) values.push_back(load_components(state));
  return values;
}

StateValues SweepEmitter::identity() const {
  StateValues values;
  for (NodeId id : analysis_.sweep_reductions) values.push_back(ops_.identity(reduction_of(id)));
  return values;
}

StateValues SweepEmitter::combine(const StateValues& left, const StateValues& right) {
  StateValues values;
  for (size_t r = 0; r < left.size(); ++r)
    values.push_back(ops_.combine(reduction_of(analysis_.sweep_reductions[r]), left[r], right[r]));
  return values;
}

std::vector<Value*> SweepEmitter::to_words(const StateValues& values) {
  std::vector<Value*> words;
  for (size_t r = 0; r < values.size(); ++r) {
    const ReductionInfo& reduction = reduction_of(analysis_.sweep_reductions[r]);
    for (size_t i = 0; i < values[r].size(); ++i)
      for (Value* word : split_words(ops_, reduction.state[i], values[r][i])) words.push_back(word);
  }
  return words;
}

StateValues SweepEmitter::from_words(const std::vector<Value*>& words) {
  StateValues values;
  size_t at = 0;
  for (NodeId id : analysis_.sweep_reductions) {
    std::vector<Value*> state;
    for (DType dtype : reduction_of(id).state) {
      state.push_back(join_words(ops_, dtype, &words[at]));
      at += size_bytes(dtype) == 8 ? 2 : 1;
    }
    values.push_back(std::move(state));
  }
  return values;
}

bool SweepEmitter::settles_accumulators() const {
  return plan_.bounded >= 0 && source_.can_replace_accumulators() &&
         contraction_result_ != analysis_.contraction_node;
}

void SweepEmitter::settle_accumulators(int block) {
  expressions_.set_accumulated(analysis_.contraction_node);
  for (int member = 0; member < expressions_.chosen(); ++member)
    for (int row = 0; row < plan_.fragment.rows; ++row) {
      const Place place{row, block, member};
      source_.set_accumulator(place, expressions_.value(contraction_result_, place));
    }
  expressions_.set_accumulated(contraction_result_);
}

void SweepEmitter::fold(std::span<const RowStates> states, int first_row, int first_block, int blocks) {
  for (const bool bounded : {true, false}) {
    for (size_t r = 0; r < analysis_.sweep_reductions.size(); ++r) {
      const NodeId id = analysis_.sweep_reductions[r];
      const ReductionInfo& reduction = reduction_of(id);
      const bool grouped = reduction_level(plan_.program, reduction) == Level::group;
      if ((reduction.bound != kNone) != bounded) continue;
      if (bounded) {
        if (is_contested(r))
          enter_contest(first_row, static_cast<int>(states.size()), first_block, blocks);
        else
          fold_bounded(r, states, first_row, first_block, blocks);
        continue;
      }
      for (size_t row = 0; row < states.size(); ++row)
        for (int block = first_block; block < first_block + blocks; ++block) {
          if (grouped)
            fold_groups(id, states[row].components[r], first_row + static_cast<int>(row), block);
          else
            fold_elements(id, states[row].components[r], first_row + static_cast<int>(row), block);
        }
    }
  }
}

void SweepEmitter::fold_elements(NodeId id, const std::vector<llvm::AllocaInst*>& state, int row, int block) {
  const ReductionInfo& reduction = reduction_of(id);
  const Node& node = plan_.program.nodes[id];
  const std::vector<Value*> identity = ops_.identity(reduction);
  std::vector<std::vector<Value*>> parts;
  for (size_t member = 0; member < expressions_.fragment_offsets().size(); ++member) {
    const Place place{row, block, static_cast<int>(member)};
    std::vector<Value*> lifted;
    for (size_t i = 0; i < node.operands.size(); ++i) {
      Value* value = expressions_.value(node.operands[i], place);
      lifted.push_back(expressions_.masked()
                           ? b.CreateSelect(expressions_.column_valid(place), value, identity[i])
                           : value);
    }
    parts.push_back(std::move(lifted));
  }
  for (size_t step = 1; step < parts.size(); step *= 2)
    for (size_t i = 0; i + step < parts.size(); i += 2 * step)
      parts[i] = ops_.combine(reduction, parts[i], parts[i + step]);
  const std::vector<Value*> joined = ops_.combine(reduction, load_components(state), parts[0]);
  for (size_t i = 0; i < joined.size(); ++i) b.CreateStore(joined[i], state[i]);
}

void SweepEmitter::fold_groups(NodeId id, const std::vector<llvm::AllocaInst*>& state, int row, int block) {
  for (int leader : expressions_.group_leaders()) fold_group(id, state, {row, block, leader});
}

void SweepEmitter::fold_group(NodeId id, const std::vector<llvm::AllocaInst*>& state, const Place& place) {
  const ReductionInfo& reduction = reduction_of(id);
  const Node& node = plan_.program.nodes[id];
  const std::vector<Value*> identity = ops_.identity(reduction);
  std::vector<Value*> lifted;
  for (size_t i = 0; i < node.operands.size(); ++i) {
    Value* value = expressions_.value(node.operands[i], place);
    lifted.push_back(
        expressions_.masked() ? b.CreateSelect(expressions_.group_valid(place), value, identity[i]) : value);
  }
  const std::vector<Value*> joined = ops_.combine(reduction, load_components(state), lifted);
  for (size_t i = 0; i < joined.size(); ++i) b.CreateStore(joined[i], state[i]);
}

Value* SweepEmitter::largest(DType dtype, std::vector<Value*> values) {
  while (values.size() > 1) {
    std::vector<Value*> next;
    for (size_t i = 0; i + 1 < values.size(); i += 2)
      next.push_back(ops_.larger(dtype, values[i], values[i + 1]));
    if (values.size() % 2 != 0) next.push_back(values.back());
    values = std::move(next);
  }
  return values[0];
}

/// Of the columns that a lane has in a block; a value of a group counts once.
std::vector<Value*> SweepEmitter::element_bounds(NodeId bound, Place place) {
  std::vector<int> members = expressions_.group_leaders();
  if (analysis_.nodes[bound].level == Level::element) {
    members.resize(expressions_.fragment_offsets().size());
    std::iota(members.begin(), members.end(), 0);
  }
  std::vector<Value*> bounds;
  for (int member : members) {
    place.member = member;
    bounds.push_back(expressions_.value(bound, place));
  }
  return bounds;
}

void SweepEmitter::fold_bounded(size_t r, std::span<const RowStates> states, int first_row, int first_block,
                                int blocks) {
  const NodeId id = analysis_.sweep_reductions[r];
  const ReductionInfo& reduction = reduction_of(id);
  const DType dtype = reduction.state[0];
  const bool grouped = reduction_level(plan_.program, reduction) == Level::group;
  const bool best_first = !grouped && folds_best_first(id);
  struct Candidate {
    Place place;
    Value* needed;
    ColumnContest contest;  ///< where columns are folded best first
  };
  std::vector<Candidate> candidates;
  Value* any = nullptr;
  // Skipped only where the bound is strictly below what the row has reached: equal keys still meet the tie
  // rule.
  for (size_t i = 0; i < states.size(); ++i) {
    const int row = first_row + static_cast<int>(i);
    Value* active = source_.row_active(row);
    Value* elsewhere = source_.reached_elsewhere(id, row);
    llvm::AllocaInst* state = states[i].components[r][0];
    Value* reached = b.CreateLoad(state->getAllocatedType(), state);
    if (elsewhere) {
      const std::array<Value*, 2> both{elsewhere, reached};
      reached = b.CreateSelect(ops_.emit(Op::lt, dtype, DType::pred, both), reached, elsewhere);
    }
    for (int block = first_block; block < first_block + blocks; ++block)
      for (int leader : grouped ? expressions_.group_leaders() : std::vector<int>{0}) {
        const Place place{row, block, leader};
        ColumnContest contest;
        if (best_first) {
          contest = make_contest(id, place);
          contest.active = active;
          contest.elsewhere = elsewhere;
        }
        const std::array<Value*, 2> operands{grouped ? expressions_.value(reduction.bound, place)
                                                     : largest(dtype, element_bounds(reduction.bound, place)),
                                             reached};
        Value* needed = b.CreateNot(ops_.emit(Op::lt, dtype, DType::pred, operands));
        if (grouped && expressions_.masked()) needed = b.CreateAnd(needed, expressions_.group_valid(place));
        if (needed->getType()->isVectorTy()) needed = b.CreateOrReduce(needed);
        if (active) needed = b.CreateAnd(needed, active);
        if (best_first) needed = source_.in_some_lane(needed);
        any = any ? b.CreateOr(any, needed) : needed;
        candidates.push_back({place, needed, std::move(contest)});
      }
  }
  llvm::Function* f = b.GetInsertBlock()->getParent();
  auto block = [&](const char* name) { return llvm::BasicBlock::Create(b.getContext(), name, f); };
  llvm::BasicBlock* done = block("dismissed");
  if (candidates.size() > 1) {
    llvm::BasicBlock* some = block("candidates");
    b.CreateCondBr(any, some, done);
    b.SetInsertPoint(some);
  }
  for (size_t i = 0; i < candidates.size(); ++i) {
    llvm::BasicBlock* candidate = block("candidate");
    llvm::BasicBlock* next = i + 1 == candidates.size() ? done : block("next");
    b.CreateCondBr(candidates[i].needed, candidate, next);
    b.SetInsertPoint(candidate);
    // Of the bounds of single columns too much would stay alive.
    if (grouped)
      expressions_.push_scope();
    else
      expressions_.push_fresh_scope();
    source_.enter_rare_code();
    const Place& place = candidates[i].place;
    const auto& state = states[static_cast<size_t>(place.row - first_row)].components[r];
    if (grouped)
      fold_group(id, state, place);
    else if (best_first)
      fold_best_first(id, state, candidates[i].contest);
    else
      fold_elements(id, state, place.row, place.block);
    source_.leave_rare_code();
    expressions_.pop_scope();
    b.CreateBr(next);
    b.SetInsertPoint(next);
  }
}

bool SweepEmitter::stores_tiles() const {
  for (const OutputInfo& output : plan_.program.outputs)
    if (output.kind == OutputInfo::Kind::tile) return true;
  return false;
}

void SweepEmitter::store_tiles(int row, int block, Value* row_active,
                               const std::function<Value*(size_t)>& output_address,
                               const std::function<Value*(size_t)>& output_stride) {
  llvm::Type* wide = ops_.type(DType::i64);
  for (size_t o = 0; o < plan_.program.outputs.size(); ++o) {
    const OutputInfo& output = plan_.program.outputs[o];
    if (output.kind != OutputInfo::Kind::tile) continue;
    Value* first = b.CreateMul(source_.row_index(row), ops_.splat(output_stride(o)));
    for (size_t member = 0; member < expressions_.fragment_offsets().size(); ++member) {
      const Place place{row, block, static_cast<int>(member)};
      Value* stored = ops_.to_storage(output.dtype, expressions_.value(output.node, place));
      Value* column = expressions_.column(place);
      if (plan_.problem.first_column != 0)
        column =
            b.CreateSub(column, ops_.constant(DType::u32, static_cast<uint64_t>(plan_.problem.first_column)));
      Value* index = b.CreateAdd(first, b.CreateZExt(column, wide));
      Value* mask = ops_.splat(row_active);
      if (expressions_.masked()) mask = b.CreateAnd(mask, expressions_.column_valid(place));
      source_.store(stored, output_address(o), index, mask);
    }
  }
}

void emit_row_table(const KernelPlan& plan, OpEmitter& ops, FragmentSource& source, Value* in_range,
                    const std::function<void(int, Value*)>& put) {
  if (plan.row_table.empty()) return;
  llvm::IRBuilder<>& b = ops.b;
  llvm::Function* f = b.GetInsertBlock()->getParent();
  auto block = [&](const char* name) { return llvm::BasicBlock::Create(b.getContext(), name, f); };
  auto* exists = block("row_exists");
  auto* active = block("row_active");
  auto* inactive = block("row_inactive");
  auto* done = block("row_done");
  ExpressionEmitter expressions(plan, ops, source, false);
  auto put_value = [&](const Slot& slot) {
    const DType dtype = plan.program.nodes[slot.node].dtype;
    const auto words = split_words(ops, dtype, expressions.value(slot.node, {}));
    for (size_t i = 0; i < words.size(); ++i) put(slot.word + static_cast<int>(i), words[i]);
  };
  // A value that is the same for all rows must be there for inactive ones too: a lane shares it between its
  // rows.
  for (const Slot& slot : plan.row_table)
    if (!plan.analysis->nodes[slot.node].per_row) put_value(slot);
  b.CreateCondBr(in_range, exists, inactive);
  b.SetInsertPoint(exists);
  if (plan.program.row_guard != kNone)
    b.CreateCondBr(expressions.value(plan.program.row_guard, {}), active, inactive);
  else
    b.CreateBr(active);
  b.SetInsertPoint(active);
  for (const Slot& slot : plan.row_table)
    if (plan.analysis->nodes[slot.node].per_row) put_value(slot);
  b.CreateBr(done);
  b.SetInsertPoint(inactive);
  for (const Slot& slot : plan.row_table)
    if (plan.analysis->nodes[slot.node].per_row)
      for (int i = 0; i < slot.words; ++i) put(slot.word + i, b.getInt32(0));
  b.CreateBr(done);
  b.SetInsertPoint(done);
}

void emit_finish_row(const KernelPlan& plan, OpEmitter& ops, FragmentSource& source, bool use_row_table,
                     const std::function<Value*(size_t)>& output_address) {
  llvm::IRBuilder<>& b = ops.b;
  llvm::Function* f = b.GetInsertBlock()->getParent();
  auto block = [&](const char* name) { return llvm::BasicBlock::Create(b.getContext(), name, f); };
  ExpressionEmitter expressions(plan, ops, source, use_row_table);
  llvm::BasicBlock* done = block("row_finished");
  if (plan.program.row_guard != kNone) {
    llvm::BasicBlock* active = block("row_active");
    b.CreateCondBr(expressions.value(plan.program.row_guard, {}), active, done);
    b.SetInsertPoint(active);
  }
  for (size_t o = 0; o < plan.program.outputs.size(); ++o) {
    const OutputInfo& output = plan.program.outputs[o];
    if (output.kind == OutputInfo::Kind::tile) continue;
    Value* value = expressions.value(output.node, {});
    Value* address = output_address(o);
    llvm::BasicBlock* next = block("output_done");
    llvm::BasicBlock* wanted = block("output_wanted");
    b.CreateCondBr(b.CreateICmpNE(address, b.getInt64(0)), wanted, next);
    b.SetInsertPoint(wanted);
    if (output.kind == OutputInfo::Kind::any) {
      llvm::BasicBlock* set = block("any_set");
      b.CreateCondBr(b.CreateICmpNE(value, b.getInt32(0)), set, next);
      b.SetInsertPoint(set);
      b.CreateAtomicRMW(llvm::AtomicRMWInst::Or, b.CreateIntToPtr(address, b.getPtrTy()), value,
                        llvm::MaybeAlign(4), llvm::AtomicOrdering::Monotonic);
    } else if (output.position == kNone) {
      source.store(ops.to_storage(output.dtype, value), address, source.row_index(0), nullptr);
    } else {
      expressions.push_scope();
      Value* position = expressions.value(output.position, {});
      expressions.pop_scope();
      if (is_signed_integer(plan.program.nodes[output.position].dtype)) {
        llvm::BasicBlock* placed = block("output_placed");
        b.CreateCondBr(b.CreateICmpSGE(position, llvm::ConstantInt::get(position->getType(), 0)), placed,
                       next);
        b.SetInsertPoint(placed);
      }
      source.store(ops.to_storage(output.dtype, value), address, b.CreateZExt(position, b.getInt64Ty()),
                   nullptr);
    }
    b.CreateBr(next);
    b.SetInsertPoint(next);
  }
  b.CreateBr(done);
  b.SetInsertPoint(done);
}

}  // namespace gumtile::codegen
