#include "codegen/common/column_contest.h"

#include <algorithm>
#include <numeric>

#include "codegen/common/control_flow.h"

namespace gumtile::codegen {

using llvm::Value;

bool ColumnContest::is_possible(const FoldContext& context, NodeId reduce) {
  const Program& program = context.plan.program;
  const std::vector<NodeId>& operands = program.nodes[reduce].operands;
  const ReductionInfo& reduction = program.reductions[program.nodes[reduce].imm];
  return context.source.lanes() != nullptr && reduction.state[0] == DType::f32 &&
         context.analysis.nodes[reduction.bound].level == Level::element &&
         std::all_of(operands.begin(), operands.end(),
                     [&](NodeId operand) { return context.expressions.can_choose_member(operand); });
}

namespace {

/// Whether a node is a word of a random number generator, or one of several such words.
bool is_random_word(const Program& program, NodeId id) {
  const Node& node = program.nodes[id];
  if (node.op == Op::select)
    return is_random_word(program, node.operands[1]) && is_random_word(program, node.operands[2]);
  return node.op == Op::get && program.nodes[node.operands[0]].op == Op::philox;
}

}  // namespace

std::vector<Value*> bounds_in_block(FoldContext& context, NodeId bound, Place place) {
  std::vector<int> members = context.expressions.group_leaders();
  if (context.analysis.nodes[bound].level == Level::element) {
    members.resize(context.expressions.fragment_offsets().size());
    std::iota(members.begin(), members.end(), 0);
  }
  std::vector<Value*> bounds;
  for (int member : members) {
    place.member = member;
    bounds.push_back(context.expressions.value(bound, place));
  }
  return bounds;
}

/// Keeps values that the evaluation of a column can reuse. The contraction's values are in registers anyway.
/// The random words that the bounds used are worth keeping unless the state has more than two components:
/// registers would run out then, and one column's word is quickly recomputed.
ColumnContest::ColumnContest(FoldContext& context, NodeId reduce, const Place& place, Value* active,
                             Value* elsewhere)
    : c_(context), reduce_(reduce), place_(place), active_(active), elsewhere_(elsewhere) {
  const Program& program = c_.plan.program;
  const ReductionInfo& reduction = program.reductions[program.nodes[reduce].imm];
  bounds_ = bounds_in_block(c_, reduction.bound, place);
  const auto keep = [&](NodeId node) {
    Place at = place;
    for (at.member = 0; at.member < c_.expressions.chosen_member(); ++at.member)
      known_[node].push_back(c_.expressions.value(node, at));
  };
  const std::set<NodeId> sources = sources_of(program, program.nodes[reduce].operands);
  const std::set<NodeId> of_bound = sources_of(program, {reduction.bound});
  const bool keeps_words = reduction.state.size() <= 2;
  std::set<NodeId> parts;  // operands of selects between random words
  for (NodeId node : sources)
    if (program.nodes[node].op == Op::select && is_random_word(program, node))
      parts.insert(program.nodes[node].operands.begin(), program.nodes[node].operands.end());
  for (NodeId node : sources) {
    if (c_.analysis.nodes[node].level != Level::element) continue;
    const bool is_word = of_bound.contains(node) && !parts.contains(node) && is_random_word(program, node);
    if (node == c_.expressions.accumulated() || (is_word && keeps_words)) keep(node);
  }
}

/// A folded column gets a bound of NaN, which is never the largest. A column whose own bound is NaN is not
/// chosen either: such a bound can only belong to a key of NaN.
void ColumnContest::fold(const std::vector<llvm::AllocaInst*>& state) const {
  llvm::IRBuilder<>& b = c_.b;
  const Node& node = c_.plan.program.nodes[reduce_];
  const ReductionInfo& reduction = c_.plan.program.reductions[node.imm];
  const std::vector<Value*> identity = c_.ops.identity(reduction);
  const std::vector<uint32_t>& offsets = c_.expressions.fragment_offsets();
  llvm::BasicBlock* before = b.GetInsertBlock();
  llvm::BasicBlock* next = new_block(b, "next_best");
  llvm::BasicBlock* evaluate = new_block(b, "evaluate");
  llvm::BasicBlock* done = new_block(b, "rest_dismissed");
  b.CreateBr(next);

  b.SetInsertPoint(next);
  std::vector<llvm::PHINode*> bounds;
  for (Value* bound : bounds_) {
    bounds.push_back(b.CreatePHI(bound->getType(), 2));
    bounds.back()->addIncoming(bound, before);
  }
  Value* best = c_.largest(reduction.state[0], {bounds.begin(), bounds.end()});
  Value* reached = get(b, state[0]);
  if (elsewhere_) reached = b.CreateSelect(b.CreateFCmpOLT(elsewhere_, reached), reached, elsewhere_);
  Value* counts = b.CreateFCmpOGE(best, c_.largest_in_row(reached));
  if (active_) counts = b.CreateAnd(counts, active_);
  b.CreateCondBr(c_.source.lanes()->any(counts), evaluate, done);

  b.SetInsertPoint(evaluate);
  Value* offset = b.getInt32(offsets.back());
  std::map<NodeId, Value*> known;
  for (const auto& [id, values] : known_) known[id] = values.back();
  for (size_t member = bounds.size() - 1; member-- > 0;) {
    Value* is_best = b.CreateFCmpOEQ(bounds[member], best);
    offset = b.CreateSelect(is_best, b.getInt32(offsets[member]), offset);
    for (const auto& [id, values] : known_) known[id] = b.CreateSelect(is_best, values[member], known[id]);
  }
  c_.expressions.push_fresh_scope();
  c_.expressions.choose_member(offset, std::move(known));
  const Place at{place_.row, place_.block, c_.expressions.chosen_member()};
  Value* folded = c_.expressions.masked() ? b.CreateAnd(counts, c_.expressions.column_valid(at)) : counts;
  std::vector<Value*> lifted;
  for (size_t i = 0; i < node.operands.size(); ++i)
    lifted.push_back(b.CreateSelect(folded, c_.expressions.value(node.operands[i], at), identity[i]));
  store_components(b, c_.ops.combine(reduction, load_components(b, state), lifted), state);
  c_.expressions.pop_scope();
  Value* nan = llvm::ConstantFP::getNaN(best->getType());
  for (size_t member = 0; member < bounds.size(); ++member)
    bounds[member]->addIncoming(
        b.CreateSelect(b.CreateICmpEQ(offset, b.getInt32(offsets[member])), nan, bounds[member]),
        b.GetInsertBlock());
  b.CreateBr(next);
  b.SetInsertPoint(done);
}

}  // namespace gumtile::codegen
