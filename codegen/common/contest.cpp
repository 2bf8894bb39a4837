#include <algorithm>
#include <set>

#include "codegen/common/sweep_emitter.h"

// Reductions with a bound, folded where it may matter, the largest bound first: columns of a block, or groups
// of a lane. What a lane folds is chosen when the code runs, so that one copy of the code serves all: copies
// for each do not fit the instruction caches, and fetching them took half of the epilogue's time.

namespace gumtile::codegen {

using llvm::Value;

// ---- columns of a block ----

/// Whether the columns that a lane has in a block can be folded one at a time, which one is decided when the
/// code runs. A vector's lanes would choose different ones.
bool SweepEmitter::folds_best_first(NodeId id) const {
  const std::vector<NodeId>& operands = plan_.program.nodes[id].operands;
  return ops_.lanes() == 0 && reduction_of(id).state[0] == DType::f32 &&
         analysis_.nodes[reduction_of(id).bound].level == Level::element &&
         std::all_of(operands.begin(), operands.end(),
                     [&](NodeId operand) { return expressions_.can_choose(operand); });
}

namespace {

/// Nodes that others are computed from, themselves among them.
std::set<NodeId> sources_of(const Program& program, std::vector<NodeId> open) {
  std::set<NodeId> found;
  while (!open.empty()) {
    const NodeId id = open.back();
    open.pop_back();
    if (!found.insert(id).second) continue;
    const std::vector<NodeId>& operands = program.nodes[id].operands;
    open.insert(open.end(), operands.begin(), operands.end());
  }
  return found;
}

/// Whether a node is a word of a random number generator, or one of several such words.
bool is_random_word(const Program& program, NodeId id) {
  const Node& node = program.nodes[id];
  if (node.op == Op::select)
    return is_random_word(program, node.operands[1]) && is_random_word(program, node.operands[2]);
  return node.op == Op::get && program.nodes[node.operands[0]].op == Op::philox;
}

}  // namespace

/// Values of the contraction are in registers anyway. Random words that the bounds took are worth keeping,
/// but not beside further values of a state: registers would not do, and one column's word is soon made
/// again.
SweepEmitter::ColumnContest SweepEmitter::make_contest(NodeId id, const Place& place) {
  const ReductionInfo& reduction = reduction_of(id);
  ColumnContest contest;
  contest.place = place;
  contest.bounds = element_bounds(reduction.bound, place);
  const auto keep = [&](NodeId node) {
    Place at = place;
    for (at.member = 0; at.member < expressions_.chosen(); ++at.member)
      contest.known[node].push_back(expressions_.value(node, at));
  };
  const Program& program = plan_.program;
  const std::set<NodeId> sources = sources_of(program, program.nodes[id].operands);
  const std::set<NodeId> of_bound = sources_of(program, {reduction.bound});
  const bool keeps_words = reduction.state.size() <= 2;
  std::set<NodeId> parts;  // of words that are chosen among several
  for (NodeId node : sources)
    if (program.nodes[node].op == Op::select && is_random_word(program, node))
      parts.insert(program.nodes[node].operands.begin(), program.nodes[node].operands.end());
  for (NodeId node : sources) {
    if (analysis_.nodes[node].level != Level::element) continue;
    const bool is_word = of_bound.contains(node) && !parts.contains(node) && is_random_word(program, node);
    if (node == expressions_.accumulated() || (is_word && keeps_words)) keep(node);
  }
  return contest;
}

/// Of the f32s that the lanes of a row have.
Value* SweepEmitter::largest_in_row(Value* value) {
  for (const int bit : source_.row_lane_bits()) {
    Value* word = b.CreateBitCast(value, b.getInt32Ty());
    value = ops_.larger(DType::f32, value, b.CreateBitCast(source_.from_lane(word, bit), value->getType()));
  }
  return value;
}

/// Folds the columns that their bounds do not dismiss, the largest bound first: mostly that is one column,
/// after which the state dismisses the others. Lanes that run together stay together, so that those of a row
/// can share what they have reached.
///
/// What was folded has a bound of NaN, which is never the largest; nor is a column whose own bound is NaN,
/// which bounds nothing but NaN.
void SweepEmitter::fold_best_first(NodeId id, const std::vector<llvm::AllocaInst*>& state,
                                   const ColumnContest& contest) {
  const ReductionInfo& reduction = reduction_of(id);
  const DType dtype = reduction.state[0];
  const std::vector<Value*> identity = ops_.identity(reduction);
  const std::vector<uint32_t>& offsets = expressions_.fragment_offsets();
  llvm::Function* f = b.GetInsertBlock()->getParent();
  auto block = [&](const char* name) { return llvm::BasicBlock::Create(b.getContext(), name, f); };
  llvm::BasicBlock* before = b.GetInsertBlock();
  llvm::BasicBlock* next = block("next_best");
  llvm::BasicBlock* evaluate = block("evaluate");
  llvm::BasicBlock* done = block("rest_dismissed");
  b.CreateBr(next);

  b.SetInsertPoint(next);
  std::vector<llvm::PHINode*> bounds;
  for (Value* bound : contest.bounds) {
    bounds.push_back(b.CreatePHI(bound->getType(), 2));
    bounds.back()->addIncoming(bound, before);
  }
  Value* best = largest(dtype, {bounds.begin(), bounds.end()});
  Value* reached = b.CreateLoad(state[0]->getAllocatedType(), state[0]);
  if (contest.elsewhere)
    reached = b.CreateSelect(b.CreateFCmpOLT(contest.elsewhere, reached), reached, contest.elsewhere);
  Value* counts = b.CreateFCmpOGE(best, largest_in_row(reached));
  if (contest.active) counts = b.CreateAnd(counts, contest.active);
  b.CreateCondBr(source_.in_some_lane(counts), evaluate, done);

  b.SetInsertPoint(evaluate);
  Value* offset = b.getInt32(offsets.back());
  std::map<NodeId, Value*> known;
  for (const auto& [node, values] : contest.known) known[node] = values.back();
  for (size_t member = bounds.size() - 1; member-- > 0;) {
    Value* is_best = b.CreateFCmpOEQ(bounds[member], best);
    offset = b.CreateSelect(is_best, b.getInt32(offsets[member]), offset);
    for (const auto& [node, values] : contest.known)
      known[node] = b.CreateSelect(is_best, values[member], known[node]);
  }
  expressions_.push_fresh_scope();
  expressions_.choose(offset, std::move(known));
  const Place at{contest.place.row, contest.place.block, expressions_.chosen()};
  Value* folded = expressions_.masked() ? b.CreateAnd(counts, expressions_.column_valid(at)) : counts;
  std::vector<Value*> lifted;
  const Node& node = plan_.program.nodes[id];
  for (size_t i = 0; i < node.operands.size(); ++i)
    lifted.push_back(b.CreateSelect(folded, expressions_.value(node.operands[i], at), identity[i]));
  const std::vector<Value*> joined = ops_.combine(reduction, load_components(state), lifted);
  for (size_t i = 0; i < joined.size(); ++i) b.CreateStore(joined[i], state[i]);
  expressions_.pop_scope();
  Value* nan = llvm::ConstantFP::getNaN(best->getType());
  for (size_t member = 0; member < bounds.size(); ++member)
    bounds[member]->addIncoming(
        b.CreateSelect(b.CreateICmpEQ(offset, b.getInt32(offsets[member])), nan, bounds[member]),
        b.GetInsertBlock());
  b.CreateBr(next);
  b.SetInsertPoint(done);
}

// ---- all groups of a lane ----

namespace {

/// The largest parts of a group's expression that do not need the contraction's values.
void add_parts_without_contraction(const Program& program, const ProgramAnalysis& analysis, NodeId id,
                                   std::vector<NodeId>& parts) {
  const std::set<NodeId> sources = sources_of(program, {id});
  const bool waits = std::any_of(sources.begin(), sources.end(),
                                 [&](NodeId source) { return program.nodes[source].op == Op::contract; });
  if (waits) {
    for (NodeId operand : program.nodes[id].operands)
      add_parts_without_contraction(program, analysis, operand, parts);
  } else if (analysis.nodes[id].level == Level::group &&
             std::find(parts.begin(), parts.end(), id) == parts.end()) {
    parts.push_back(id);
  }
}

}  // namespace

/// Needs a lane to hold one group a block: else which member starts it would have to be chosen, too. And an
/// argmax: a group with a bound of NaN is out from the start, where another combine might let NaN through.
void SweepEmitter::let_groups_compete(size_t reduction) {
  const NodeId id = analysis_.sweep_reductions[reduction];
  const ReductionInfo& info = reduction_of(id);
  if (ops_.lanes() != 0 || !source_.can_choose() || info.kind != ReductionKind::argmax ||
      reduction_level(plan_.program, info) != Level::group || expressions_.group_leaders().size() != 1)
    return;
  contest_.emplace();
  contest_->reduction = reduction;
  contest_->bounds = for_all_groups(DType::f32);
}

std::vector<llvm::AllocaInst*> SweepEmitter::for_all_groups(DType dtype) {
  llvm::Function* f = b.GetInsertBlock()->getParent();
  llvm::IRBuilder<> entry(&f->getEntryBlock(), f->getEntryBlock().begin());
  std::vector<llvm::AllocaInst*> variables;
  for (int i = 0; i < plan_.fragment.rows * plan_.fragment.blocks; ++i)
    variables.push_back(entry.CreateAlloca(ops_.type(dtype)));
  return variables;
}

void SweepEmitter::prepare_contest() {
  const NodeId id = analysis_.sweep_reductions[contest_->reduction];
  std::vector<NodeId> parts;
  add_parts_without_contraction(plan_.program, analysis_, reduction_of(id).bound, parts);
  expressions_.push_fresh_scope();
  expressions_.set_masked(true);  // of blocks that the tile does not have nothing is read
  for (NodeId part : parts) {
    std::vector<llvm::AllocaInst*>& prepared = contest_->prepared[part];
    if (prepared.empty()) prepared = for_all_groups(plan_.program.nodes[part].dtype);
    for (int block = 0; block < plan_.fragment.blocks; ++block)
      for (int row = 0; row < plan_.fragment.rows; ++row)
        b.CreateStore(expressions_.value(part, {row, block, expressions_.group_leaders()[0]}),
                      prepared[group_number(row, block)]);
  }
  expressions_.pop_scope();
}

void SweepEmitter::open_contest() {
  for (llvm::AllocaInst* bound : contest_->bounds)
    b.CreateStore(llvm::ConstantFP::getNaN(b.getFloatTy()), bound);
}

void SweepEmitter::enter_contest(int first_row, int rows, int first_block, int blocks) {
  const NodeId bound = reduction_of(analysis_.sweep_reductions[contest_->reduction]).bound;
  for (int row = first_row; row < first_row + rows; ++row)
    for (int block = first_block; block < first_block + blocks; ++block) {
      const Place place{row, block, expressions_.group_leaders()[0]};
      for (const auto& [part, prepared] : contest_->prepared) {
        llvm::AllocaInst* variable = prepared[group_number(row, block)];
        expressions_.remember(part, place, b.CreateLoad(variable->getAllocatedType(), variable));
      }
      Value* entered = expressions_.value(bound, place);
      Value* counts = source_.row_active(row);
      if (expressions_.masked()) {
        Value* valid = expressions_.group_valid(place);
        counts = counts ? b.CreateAnd(counts, valid) : valid;
      }
      if (counts) entered = b.CreateSelect(counts, entered, llvm::ConstantFP::getNaN(b.getFloatTy()));
      b.CreateStore(entered, contest_->bounds[group_number(row, block)]);
    }
}

Value* pick(llvm::IRBuilder<>& b, Value* number, std::vector<Value*> values) {
  for (uint64_t bit = 1; values.size() > 1; bit <<= 1) {
    Value* odd = b.CreateICmpNE(b.CreateAnd(number, bit), b.getInt32(0));
    std::vector<Value*> next;
    for (size_t i = 0; i + 1 < values.size(); i += 2)
      next.push_back(b.CreateSelect(odd, values[i + 1], values[i]));
    if (values.size() % 2 != 0) next.push_back(values.back());
    values = std::move(next);
  }
  return values[0];
}

/// Each lane chooses the group with the largest bound of those that count: where it is at least what the row
/// has reached anywhere, as equal keys still meet the tie rule.
SweepEmitter::Leader SweepEmitter::find_leader(std::span<const RowStates> states) {
  const NodeId id = analysis_.sweep_reductions[contest_->reduction];
  auto i32 = [&](int value) { return b.getInt32(static_cast<uint32_t>(value)); };
  Leader leader;
  std::vector<Value*> blocks;  // the number of a row's block that has its largest bound
  Value* best = nullptr;
  for (int row = 0; row < plan_.fragment.rows; ++row) {
    std::vector<Value*> bounds;
    for (int block = 0; block < plan_.fragment.blocks; ++block)
      bounds.push_back(b.CreateLoad(b.getFloatTy(), contest_->bounds[group_number(row, block)]));
    Value* largest_bound = largest(DType::f32, bounds);
    Value* of_block = i32(plan_.fragment.blocks - 1);
    for (int block = plan_.fragment.blocks - 1; block-- > 0;)
      of_block = b.CreateSelect(b.CreateFCmpOEQ(bounds[static_cast<size_t>(block)], largest_bound),
                                i32(block), of_block);
    blocks.push_back(of_block);
    Value* reached = b.CreateLoad(b.getFloatTy(), contested_state(states, row)[0]);
    if (Value* elsewhere = source_.reached_elsewhere(id, row))
      reached = b.CreateSelect(b.CreateFCmpOLT(elsewhere, reached), reached, elsewhere);
    leader.marks.push_back(largest_in_row(reached));
    Value* counts = b.CreateFCmpOGE(largest_bound, leader.marks.back());
    Value* better = !best ? counts
                          : b.CreateAnd(counts, b.CreateOr(b.CreateNot(leader.counts),
                                                           b.CreateFCmpOGT(largest_bound, best)));
    leader.row = best ? b.CreateSelect(better, i32(row), leader.row) : i32(row);
    leader.counts = best ? b.CreateOr(leader.counts, counts) : counts;
    best = best ? b.CreateSelect(better, largest_bound, best) : largest_bound;
  }
  leader.block = pick(b, leader.row, std::move(blocks));
  return leader;
}

/// Joins the leader into its row's state, which it returns, where it counts; then it is out.
std::vector<Value*> SweepEmitter::fold_leader(std::span<const RowStates> states, const Leader& leader) {
  const NodeId id = analysis_.sweep_reductions[contest_->reduction];
  const ReductionInfo& reduction = reduction_of(id);
  const std::vector<Value*> identity = ops_.identity(reduction);
  auto get = [&](llvm::AllocaInst* variable) -> Value* {
    return b.CreateLoad(variable->getAllocatedType(), variable);
  };
  source_.choose(leader.row, leader.block);
  expressions_.push_fresh_scope();
  // A lane without a leader computes something as well, perhaps of a block that the tile does not have.
  const bool masked = expressions_.masked();
  expressions_.set_masked(true);
  const Place at{Place::kChosen, Place::kChosen, expressions_.group_leaders()[0]};
  std::vector<Value*> lifted;
  for (NodeId operand : plan_.program.nodes[id].operands)
    lifted.push_back(b.CreateSelect(leader.counts, expressions_.value(operand, at), identity[lifted.size()]));
  expressions_.pop_scope();
  expressions_.set_masked(masked);
  std::vector<Value*> before;
  for (size_t i = 0; i < identity.size(); ++i) {
    std::vector<Value*> of_rows;
    for (int row = 0; row < plan_.fragment.rows; ++row)
      of_rows.push_back(get(contested_state(states, row)[i]));
    before.push_back(pick(b, leader.row, std::move(of_rows)));
  }
  const std::vector<Value*> joined = ops_.combine(reduction, before, lifted);
  Value* nan = llvm::ConstantFP::getNaN(b.getFloatTy());
  for (int row = 0; row < plan_.fragment.rows; ++row) {
    Value* is_row = b.CreateICmpEQ(leader.row, b.getInt32(static_cast<uint32_t>(row)));
    const std::vector<llvm::AllocaInst*>& state = contested_state(states, row);
    for (size_t i = 0; i < joined.size(); ++i)
      b.CreateStore(b.CreateSelect(is_row, joined[i], get(state[i])), state[i]);
    for (int block = 0; block < plan_.fragment.blocks; ++block) {
      llvm::AllocaInst* bound = contest_->bounds[group_number(row, block)];
      Value* is_block = b.CreateICmpEQ(leader.block, b.getInt32(static_cast<uint32_t>(block)));
      Value* folded = b.CreateAnd(b.CreateAnd(leader.counts, is_row), is_block);
      b.CreateStore(b.CreateSelect(folded, nan, get(bound)), bound);
    }
  }
  return joined;
}

void SweepEmitter::settle_contest(std::span<const RowStates> states,
                                  const std::function<void()>& before_round,
                                  const std::function<void(Value*, std::span<Value* const>)>& after_round) {
  llvm::Function* f = b.GetInsertBlock()->getParent();
  auto* next = llvm::BasicBlock::Create(b.getContext(), "next_round", f);
  auto* round = llvm::BasicBlock::Create(b.getContext(), "round", f);
  auto* done = llvm::BasicBlock::Create(b.getContext(), "settled", f);
  b.CreateBr(next);
  b.SetInsertPoint(next);
  const Leader leader = find_leader(states);
  b.CreateCondBr(source_.in_some_lane(leader.counts), round, done);
  b.SetInsertPoint(round);
  before_round();
  const std::vector<Value*> state = fold_leader(states, leader);
  after_round(b.CreateAnd(leader.counts, b.CreateFCmpOGT(state[0], pick(b, leader.row, leader.marks))),
              state);
  b.CreateBr(next);
  b.SetInsertPoint(done);
}

}  // namespace gumtile::codegen
