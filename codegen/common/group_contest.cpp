#include "codegen/common/group_contest.h"

#include <algorithm>

#include "codegen/common/control_flow.h"

namespace gumtile::codegen {

using llvm::Value;

namespace {

/// Collects the largest subexpressions of a group's expression that do not need the contraction's values.
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

/// A lane must hold one group per block; otherwise the member that starts the group would have to be chosen
/// at run time, too. And the reduction must be an argmax: a group with a bound of NaN is out from the start,
/// but another combine might let NaN through.
std::optional<GroupContest> GroupContest::make(FoldContext& context, size_t reduction) {
  const ReductionInfo& info = context.states.reduction(reduction);
  Lanes* lanes = context.source.lanes();
  if (lanes == nullptr || !lanes->can_choose() || info.kind != ReductionKind::argmax ||
      reduction_level(context.plan.program, info) != Level::group ||
      context.expressions.group_leaders().size() != 1)
    return std::nullopt;
  return GroupContest(context, reduction);
}

GroupContest::GroupContest(FoldContext& context, size_t reduction) : c_(&context), reduction_(reduction) {
  bounds_ = for_all_groups(DType::f32);
}

std::vector<llvm::AllocaInst*> GroupContest::for_all_groups(DType dtype) const {
  const FragmentLayout& fragment = c_->plan.fragment;
  return Variables(c_->b).make(c_->ops.type(dtype), static_cast<size_t>(fragment.rows * fragment.blocks));
}

void GroupContest::prepare() {
  const FragmentLayout& fragment = c_->plan.fragment;
  std::vector<NodeId> parts;
  add_parts_without_contraction(c_->plan.program, c_->analysis, info().bound, parts);
  c_->expressions.push_fresh_scope();
  c_->expressions.set_masked(true);  // blocks that the tile does not have are not read
  for (NodeId part : parts) {
    std::vector<llvm::AllocaInst*>& prepared = prepared_[part];
    if (prepared.empty()) prepared = for_all_groups(c_->plan.program.nodes[part].dtype);
    for (int block = 0; block < fragment.blocks; ++block)
      for (int row = 0; row < fragment.rows; ++row)
        c_->b.CreateStore(c_->expressions.value(part, {row, block, leader_member()}),
                          prepared[number(row, block)]);
  }
  c_->expressions.pop_scope();
}

void GroupContest::open() {
  for (llvm::AllocaInst* bound : bounds_)
    c_->b.CreateStore(llvm::ConstantFP::getNaN(c_->b.getFloatTy()), bound);
}

void GroupContest::enter(int first_row, int rows, int first_block, int blocks) {
  llvm::IRBuilder<>& b = c_->b;
  for (int row = first_row; row < first_row + rows; ++row)
    for (int block = first_block; block < first_block + blocks; ++block) {
      const Place place{row, block, leader_member()};
      for (const auto& [part, prepared] : prepared_)
        c_->expressions.remember(part, place, get(b, prepared[number(row, block)]));
      Value* entered = c_->expressions.value(info().bound, place);
      Value* counts = c_->source.row_active(row);
      if (c_->expressions.masked()) {
        Value* valid = c_->expressions.group_valid(place);
        counts = counts ? b.CreateAnd(counts, valid) : valid;
      }
      if (counts) entered = b.CreateSelect(counts, entered, llvm::ConstantFP::getNaN(b.getFloatTy()));
      b.CreateStore(entered, bounds_[number(row, block)]);
    }
}

/// Each lane chooses, among the groups that count, the one with the largest bound. A group counts if its
/// bound is at least the best key that the row has reached anywhere; equal keys are still compared by the tie
/// rule.
GroupContest::Leader GroupContest::find_leader(std::span<const RowStates> states) const {
  llvm::IRBuilder<>& b = c_->b;
  const FragmentLayout& fragment = c_->plan.fragment;
  auto i32 = [&](int value) { return b.getInt32(static_cast<uint32_t>(value)); };
  Leader leader;
  std::vector<Value*> blocks;  // per row, the block with the largest bound
  Value* best = nullptr;
  for (int row = 0; row < fragment.rows; ++row) {
    std::vector<Value*> bounds;
    for (int block = 0; block < fragment.blocks; ++block)
      bounds.push_back(get(b, bounds_[number(row, block)]));
    Value* largest_bound = c_->largest(DType::f32, bounds);
    Value* of_block = i32(fragment.blocks - 1);
    for (int block = fragment.blocks - 1; block-- > 0;)
      of_block = b.CreateSelect(b.CreateFCmpOEQ(bounds[static_cast<size_t>(block)], largest_bound),
                                i32(block), of_block);
    blocks.push_back(of_block);
    Value* reached = get(b, state(states, row)[0]);
    if (Value* elsewhere = c_->source.lanes()->reached_elsewhere(node(), row))
      reached = b.CreateSelect(b.CreateFCmpOLT(elsewhere, reached), reached, elsewhere);
    leader.marks.push_back(c_->largest_in_row(reached));
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

/// Folds the leader, if it counts, into its row's state, and takes it out of the contest. Returns that state.
std::vector<Value*> GroupContest::fold_leader(std::span<const RowStates> states, const Leader& leader) {
  llvm::IRBuilder<>& b = c_->b;
  const FragmentLayout& fragment = c_->plan.fragment;
  const std::vector<Value*> identity = c_->ops.identity(info());
  c_->source.lanes()->choose(leader.row, leader.block);
  c_->expressions.push_fresh_scope();
  // A lane without a leader computes a group as well, perhaps in a block that the tile does not have.
  const bool masked = c_->expressions.masked();
  c_->expressions.set_masked(true);
  const Place at{Place::kChosen, Place::kChosen, leader_member()};
  std::vector<Value*> lifted;
  for (NodeId operand : c_->plan.program.nodes[node()].operands)
    lifted.push_back(
        b.CreateSelect(leader.counts, c_->expressions.value(operand, at), identity[lifted.size()]));
  c_->expressions.pop_scope();
  c_->expressions.set_masked(masked);
  std::vector<Value*> before;
  for (size_t i = 0; i < identity.size(); ++i) {
    std::vector<Value*> of_rows;
    for (int row = 0; row < fragment.rows; ++row) of_rows.push_back(get(b, state(states, row)[i]));
    before.push_back(pick(b, leader.row, std::move(of_rows)));
  }
  const std::vector<Value*> joined = c_->ops.combine(info(), before, lifted);
  Value* nan = llvm::ConstantFP::getNaN(b.getFloatTy());
  for (int row = 0; row < fragment.rows; ++row) {
    Value* is_row = b.CreateICmpEQ(leader.row, b.getInt32(static_cast<uint32_t>(row)));
    const std::vector<llvm::AllocaInst*>& of_row = state(states, row);
    for (size_t i = 0; i < joined.size(); ++i)
      b.CreateStore(b.CreateSelect(is_row, joined[i], get(b, of_row[i])), of_row[i]);
    for (int block = 0; block < fragment.blocks; ++block) {
      llvm::AllocaInst* bound = bounds_[number(row, block)];
      Value* is_block = b.CreateICmpEQ(leader.block, b.getInt32(static_cast<uint32_t>(block)));
      Value* folded = b.CreateAnd(b.CreateAnd(leader.counts, is_row), is_block);
      b.CreateStore(b.CreateSelect(folded, nan, get(b, bound)), bound);
    }
  }
  return joined;
}

void GroupContest::settle(std::span<const RowStates> states, const std::function<void()>& before_round,
                          const std::function<void(Value*, std::span<Value* const>)>& after_round) {
  llvm::IRBuilder<>& b = c_->b;
  llvm::BasicBlock* next = new_block(b, "next_round");
  llvm::BasicBlock* round = new_block(b, "round");
  llvm::BasicBlock* done = new_block(b, "settled");
  b.CreateBr(next);
  b.SetInsertPoint(next);
  const Leader leader = find_leader(states);
  b.CreateCondBr(c_->source.lanes()->any(leader.counts), round, done);
  b.SetInsertPoint(round);
  before_round();
  const std::vector<Value*> state = fold_leader(states, leader);
  after_round(b.CreateAnd(leader.counts, b.CreateFCmpOGT(state[0], pick(b, leader.row, leader.marks))),
              state);
  b.CreateBr(next);
  b.SetInsertPoint(done);
}

}  // namespace gumtile::codegen
