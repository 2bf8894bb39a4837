#include "codegen/common/expression_emitter.h"

#include <algorithm>
#include <bit>
#include <numeric>

#include "codegen/common/control_flow.h"

namespace gumtile::codegen {

using llvm::Value;

ExpressionEmitter::ExpressionEmitter(const KernelPlan& plan, OpEmitter& ops, FragmentSource& source,
                                     bool use_row_table)
    : plan_(plan),
      program_(plan.program),
      analysis_(*plan.analysis),
      ops_(ops),
      b(ops.b),
      source_(source),
      accumulated_(plan.analysis->contraction_node) {
  offsets_ = member_offsets(plan.fragment.mask);
  for (size_t i = 0; i < offsets_.size(); ++i)
    if ((offsets_[i] & analysis_.member_mask) == 0) leaders_.push_back(static_cast<int>(i));
  if (use_row_table)
    for (const Slot& slot : plan.row_table) table_.insert(slot.node);
  reset();
}

void ExpressionEmitter::reset() {
  scopes_.clear();
  scopes_.emplace_back();
}

std::vector<int> ExpressionEmitter::group_members(int leader) const {
  std::vector<int> members;
  for (size_t i = 0; i < offsets_.size(); ++i)
    if ((offsets_[i] & ~analysis_.member_mask) == offsets_[static_cast<size_t>(leader)])
      members.push_back(static_cast<int>(i));
  return members;
}

bool ExpressionEmitter::can_choose_member(NodeId node) const {
  if (table_.contains(node)) return true;
  if (analysis_.nodes[node].level == Level::group) return false;
  const std::vector<NodeId>& operands = program_.nodes[node].operands;
  return std::all_of(operands.begin(), operands.end(),
                     [&](NodeId operand) { return can_choose_member(operand); });
}

int ExpressionEmitter::leader_of(int member) const {
  const uint32_t base = offsets_[static_cast<size_t>(member)] & ~analysis_.member_mask;
  return static_cast<int>(std::find(offsets_.begin(), offsets_.end(), base) - offsets_.begin());
}

ExpressionEmitter::NodeKey ExpressionEmitter::key(NodeId node, const Place& place, size_t which) const {
  const NodeInfo& info = analysis_.nodes[node];
  const int row = info.per_row ? place.row : -1;
  switch (info.level) {
    case Level::row:
    case Level::final:
      return {node, which, row, -1, -1};
    case Level::group:
      return {node, which, row, place.block, leader_of(place.member)};
    case Level::element:
      return {node, which, row, place.block, place.member};
  }
  return {};
}

Value* ExpressionEmitter::value(NodeId node, const Place& place, size_t which) {
  const Known k = known(node, place, which);
  return k.value ? k.value : materialize(k.split);
}

ExpressionEmitter::Known ExpressionEmitter::known(NodeId node, const Place& place, size_t which) {
  if (place.member == chosen_member())
    if (const auto it = chosen_.values.find(node); it != chosen_.values.end()) return {{}, it->second};
  if (node == accumulated_) return {{}, source_.accumulator(place)};
  const NodeKey k = key(node, place, which);
  for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
    if (auto it = scope->nodes.find(k); it != scope->nodes.end()) return it->second;
    if (scope->fresh) break;
  }
  Known result = emit_node(node, place, which);
  scopes_.back().nodes.emplace(k, result);
  return result;
}

const std::vector<Value*>* ExpressionEmitter::find_number(const NumberKey& k) const {
  for (auto scope = scopes_.rbegin(); scope != scopes_.rend(); ++scope) {
    if (auto it = scope->numbers.find(k); it != scope->numbers.end()) return &it->second;
    if (scope->fresh) break;
  }
  return nullptr;
}

Value* ExpressionEmitter::number(Op op, DType operand_type, DType result,
                                 const std::vector<Value*>& operands) {
  const NumberKey k{static_cast<int>(op) * 16 + static_cast<int>(operand_type), result, operands};
  if (const auto* found = find_number(k)) return (*found)[0];
  Value* made = ops_.emit(op, operand_type, result, operands);
  scopes_.back().numbers[k] = {made};
  return made;
}

ExpressionEmitter::Known ExpressionEmitter::emit_node(NodeId id, const Place& place, size_t which) {
  const Node& node = program_.nodes[id];
  if (node.op == Op::constant) {
    if (node.dtype == DType::u32 || node.dtype == DType::i32)
      return {{nullptr, static_cast<uint32_t>(node.imm), ~0u}, nullptr};
    return {{}, ops_.constant(node.dtype, node.imm)};
  }
  if (table_.contains(id)) return {{}, source_.row_value(id, which, place.row)};
  if (auto split = emit_split(node, place)) return {*split, nullptr};
  auto operand = [&](size_t i) { return value(node.operands[i], place); };
  switch (node.op) {
    case Op::index:
      return {{}, b.CreateTrunc(source_.row_index(place.row), ops_.type(DType::u32))};
    case Op::load: {
      // Vectors of lanes gather in any case, so their members are loaded one at a time, unless one condition
      // is to guard several.
      const bool together = source_.has_runs() || program_.inputs[node.imm].optional;
      if (!together || analysis_.nodes[id].level != Level::element || place.member == chosen_member())
        return {{}, load(node, place)};
      const std::vector<int> members = companions(place);
      return {{}, spread(id, place, members, load_together(node, place, members))};
    }
    case Op::get:
      return {{}, value(node.operands[0], place, node.imm)};
    case Op::contract:
      llvm_unreachable("accumulators are not remembered");
    case Op::philox: {
      std::vector<Value*> operands;
      for (size_t i = 0; i < 6; ++i) operands.push_back(operand(i));
      const NumberKey k{-static_cast<int>(node.imm), DType::u32, operands};
      if (const auto* found = find_number(k)) return {{}, (*found)[which]};
      const auto words = ops_.philox(operands, static_cast<int>(node.imm));
      scopes_.back().numbers[k] = {words.begin(), words.end()};
      return {{}, words[which]};
    }
    case Op::reduce: {
      if (analysis_.nodes[id].level == Level::final) return {{}, source_.row_value(id, which, place.row)};
      const std::vector<Value*> state = reduce_members(node, place);
      for (size_t i = 0; i < state.size(); ++i)
        if (i != which) scopes_.back().nodes.emplace(key(id, place, i), Known{{}, state[i]});
      return {{}, state[which]};
    }
    case Op::select_ordered:
      return {{}, select_ordered(node, place)};
    case Op::select:
    case Op::branch: {
      Value* condition = operand(0);
      if (auto* c = llvm::dyn_cast<llvm::Constant>(condition)) {
        if (c->isNullValue()) return known(node.operands[2], place, 0);
        if (c->isAllOnesValue()) return known(node.operands[1], place, 0);
      }
      if (node.op == Op::branch) {
        if (analysis_.nodes[id].level != Level::element || place.member == chosen_member() ||
            analysis_.nodes[node.operands[0]].level == Level::element)
          return {{}, branch(node, place, condition)};
        const std::vector<int> members = companions(place);
        return {{}, spread(id, place, members, branch_together(node, place, condition, members))};
      }
      return {{}, number(Op::select, node.dtype, node.dtype, {condition, operand(1), operand(2)})};
    }
    default: {
      std::vector<Value*> operands;
      for (size_t i = 0; i < node.operands.size(); ++i) operands.push_back(operand(i));
      return {{}, number(node.op, program_.nodes[node.operands[0]].dtype, node.dtype, operands)};
    }
  }
}

// ---- integers derived from a column: the part that differs between a lane's columns stays a constant ----

Value* ExpressionEmitter::materialize(const SplitInteger& x) {
  Value* offset = ops_.constant(DType::u32, x.offset);
  if (!x.base) return offset;
  return x.offset == 0 ? x.base : number(Op::bit_or, DType::u32, DType::u32, {x.base, offset});
}

SplitInteger ExpressionEmitter::keep(SplitInteger x, uint32_t mask) {
  x.offset &= mask;
  if (!x.base) return x;
  if ((mask & ~x.zeros) == 0) return {nullptr, x.offset, ~0u};
  if ((~mask & ~x.zeros) != 0)
    x.base = number(Op::bit_and, DType::u32, DType::u32, {x.base, ops_.constant(DType::u32, mask)});
  x.zeros |= ~mask;
  return x;
}

SplitInteger ExpressionEmitter::shift(SplitInteger x, int left) {
  const auto by = static_cast<uint32_t>(std::abs(left));
  x.offset = left > 0 ? x.offset << by : x.offset >> by;
  const uint32_t zeros = left > 0 ? ~(~x.zeros << by) : ~(~x.zeros >> by);
  if (!x.base || zeros == ~0u) return {nullptr, x.offset, ~0u};
  if (by != 0)
    x.base =
        number(left > 0 ? Op::shl : Op::shr, DType::u32, DType::u32, {x.base, ops_.constant(DType::u32, by)});
  x.zeros = zeros;
  return x;
}

std::optional<SplitInteger> ExpressionEmitter::join(const SplitInteger& x, const SplitInteger& y, bool add) {
  const uint32_t may_x = x.offset | (x.base ? ~x.zeros : 0);
  const uint32_t may_y = y.offset | (y.base ? ~y.zeros : 0);
  if (add && (may_x & may_y) != 0) return std::nullopt;
  const uint32_t zeros = (x.base ? x.zeros : ~0u) & (y.base ? y.zeros : ~0u);
  const uint32_t offset = x.offset | y.offset;
  if ((offset & ~zeros) != 0) return std::nullopt;
  Value* base = !x.base   ? y.base
                : !y.base ? x.base
                          : number(Op::bit_or, DType::u32, DType::u32, {x.base, y.base});
  return SplitInteger{base, offset, zeros};
}

SplitInteger ExpressionEmitter::split_column(const Place& place) {
  SplitInteger column = source_.column_base(place.block);
  if (place.member != chosen_member()) {
    column.offset |= offsets_[static_cast<size_t>(place.member)];
    return column;
  }
  column.base = number(Op::bit_or, DType::u32, DType::u32, {column.base, chosen_.offset});
  column.zeros &= ~plan_.fragment.mask;
  return column;
}

Value* ExpressionEmitter::column(const Place& place) { return materialize(split_column(place)); }

/// Packs the bits of x outside `mask` together, which turns a column into its group.
SplitInteger ExpressionEmitter::compress(SplitInteger x, uint32_t mask) {
  SplitInteger result{nullptr, 0, ~0u};
  int removed = 0;
  for (int bit = 0; bit < 32;) {
    if ((mask >> bit) & 1) {
      ++removed;
      ++bit;
      continue;
    }
    int end = bit;
    while (end < 32 && !((mask >> end) & 1)) ++end;
    const uint32_t field = static_cast<uint32_t>(((uint64_t{1} << end) - 1) & ~((uint64_t{1} << bit) - 1));
    result = *join(result, shift(keep(x, field), -removed), false);
    bit = end;
  }
  return result;
}

SplitInteger ExpressionEmitter::split_of(NodeId node, const Place& place) {
  const Known k = known(node, place, 0);
  return k.value ? SplitInteger{k.value, 0, 0} : k.split;
}

std::optional<SplitInteger> ExpressionEmitter::emit_split(const Node& node, const Place& place) {
  if (node.dtype != DType::u32 && node.dtype != DType::i32) return std::nullopt;
  if (node.op == Op::index && node.imm == program_.column_axis) return split_column(place);
  if (node.op == Op::index && node.imm == analysis_.group_axis) {
    Place leader = place;
    leader.member = leader_of(place.member);
    return compress(split_column(leader), analysis_.member_mask);
  }
  auto integer = [&](size_t i) {
    const DType type = program_.nodes[node.operands[i]].dtype;
    return type == DType::u32 || type == DType::i32;
  };
  switch (node.op) {
    case Op::cast:
    case Op::bitcast:
      if (!integer(0)) return std::nullopt;
      return split_of(node.operands[0], place);
    case Op::add:
    case Op::bit_or:
      return join(split_of(node.operands[0], place), split_of(node.operands[1], place), node.op == Op::add);
    case Op::bit_and:
    case Op::shl:
    case Op::shr:
    case Op::mul: {
      const SplitInteger x = split_of(node.operands[0], place);
      const SplitInteger y = split_of(node.operands[1], place);
      if (y.base) return std::nullopt;
      if (node.op == Op::bit_and) return keep(x, y.offset);
      if (node.op == Op::mul)
        return std::has_single_bit(y.offset) ? std::optional(shift(x, std::countr_zero(y.offset)))
                                             : std::nullopt;
      if (node.op == Op::shr && node.dtype == DType::i32) return std::nullopt;
      const int by = static_cast<int>(y.offset & 31);
      return shift(x, node.op == Op::shl ? by : -by);
    }
    default:
      return std::nullopt;
  }
}

// ---- columns that exist ----

bool ExpressionEmitter::blocks_whole() const {
  return plan_.problem.first_column % 64 == 0 && plan_.problem.columns % 64 == 0;
}

Value* ExpressionEmitter::column_valid(const Place& place) {
  if (!masked_) return ops_.constant(DType::pred, 1);
  SplitInteger column = split_column(place);
  if (blocks_whole()) column.offset &= ~63u;
  const auto n = static_cast<uint32_t>(plan_.problem.columns);
  if (plan_.problem.first_column != 0) {
    Value* first = ops_.constant(DType::u32, static_cast<uint64_t>(plan_.problem.first_column));
    Value* local = number(Op::sub, DType::u32, DType::u32, {materialize(column), first});
    return number(Op::lt, DType::u32, DType::pred, {local, ops_.constant(DType::u32, n)});
  }
  // base | offset < n <=> base < n - offset, since the offset's bits are zero in base.
  if (column.offset >= n) return ops_.constant(DType::pred, 0);
  return number(Op::lt, DType::u32, DType::pred, {column.base, ops_.constant(DType::u32, n - column.offset)});
}

Value* ExpressionEmitter::group_valid(const Place& place) {
  Place member = place;
  member.member = leader_of(place.member);
  if (plan_.problem.first_column % 64 == 0) return column_valid(member);
  // The start of the range may cut off a group's first columns.
  Value* any = nullptr;
  for (int i : group_members(member.member)) {
    member.member = i;
    Value* valid = column_valid(member);
    any = any ? b.CreateOr(any, valid) : valid;
  }
  return any;
}

// ---- branches and reductions over members ----

Value* ExpressionEmitter::in_scope(const std::function<Value*()>& emit) {
  return in_scope([&] { return std::vector<Value*>{emit()}; })[0];
}

std::vector<Value*> ExpressionEmitter::in_scope(const std::function<std::vector<Value*>()>& emit) {
  push_scope();
  std::vector<Value*> made = emit();
  pop_scope();
  return made;
}

std::vector<int> ExpressionEmitter::companions(const Place& place) const {
  if (analysis_.group_axis != kNone) return group_members(leader_of(place.member));
  std::vector<int> members(offsets_.size());
  std::iota(members.begin(), members.end(), 0);
  return members;
}

Value* ExpressionEmitter::spread(NodeId node, const Place& place, const std::vector<int>& members,
                                 const std::vector<Value*>& values) {
  Value* own = nullptr;
  for (size_t i = 0; i < members.size(); ++i) {
    if (members[i] == place.member)
      own = values[i];
    else
      remember(node, {place.row, place.block, members[i]}, values[i]);
  }
  return own;
}

Value* ExpressionEmitter::branch(const Node& node, const Place& place, Value* condition) {
  Value* otherwise = value(node.operands[2], place);
  Value* any = condition->getType()->isVectorTy() ? b.CreateOrReduce(condition) : condition;
  const std::function<Value*()> rarely = [&] {
    return b.CreateSelect(condition, value(node.operands[1], place), otherwise);
  };
  return value_if(
      b, any, [&] { return in_scope(rarely); }, otherwise, true);
}

std::vector<Value*> ExpressionEmitter::branch_together(const Node& node, const Place& place, Value* condition,
                                                       const std::vector<int>& members) {
  const auto side = [&](size_t operand) {
    std::vector<Value*> values;
    for (int member : members)
      values.push_back(value(node.operands[operand], {place.row, place.block, member}));
    return values;
  };
  const std::vector<Value*> otherwise = side(2);
  const bool is_vector = condition->getType()->isVectorTy();
  const std::function<std::vector<Value*>()> rarely = [&] {
    std::vector<Value*> values = side(1);
    for (size_t i = 0; is_vector && i < values.size(); ++i)
      values[i] = b.CreateSelect(condition, values[i], otherwise[i]);
    return values;
  };
  return values_if(
      b, is_vector ? b.CreateOrReduce(condition) : condition, [&] { return in_scope(rarely); },
      [&] { return otherwise; }, true);
}

std::vector<Value*> ExpressionEmitter::reduce_members(const Node& node, const Place& place) {
  const ReductionInfo& reduction = program_.reductions[node.imm];
  std::vector<std::vector<Value*>> states;
  const bool masked = masked_ && !blocks_whole();  // else a group is dropped whole or not at all
  for (int member : group_members(leader_of(place.member))) {
    const Place at{place.row, place.block, member};
    std::vector<Value*> state;
    const std::vector<Value*> identity = ops_.identity(reduction);
    for (size_t i = 0; i < node.operands.size(); ++i) {
      Value* lifted = value(node.operands[i], at);
      state.push_back(masked ? b.CreateSelect(column_valid(at), lifted, identity[i]) : lifted);
    }
    states.push_back(std::move(state));
  }
  while (states.size() > 1) {  // a balanced tree: short chains, the same for every schedule
    std::vector<std::vector<Value*>> next;
    for (size_t i = 0; i + 1 < states.size(); i += 2)
      next.push_back(ops_.combine(reduction, states[i], states[i + 1]));
    if (states.size() % 2 != 0) next.push_back(states.back());
    states = std::move(next);
  }
  // Joined with the identity, as over the other axes, so that a state equivalent to it (an argmax of NaN)
  // becomes it.
  return ops_.combine(reduction, ops_.identity(reduction), states[0]);
}

Value* ExpressionEmitter::select_ordered(const Node& node, const Place& place) {
  const int leader = leader_of(place.member);
  Value* threshold = value(node.operands[1], place);
  const std::vector<int> members = group_members(leader);
  std::vector<Value*> exceeds;
  Value* sum = nullptr;
  for (int member : members) {
    const Place at{place.row, place.block, member};
    Value* weight = value(node.operands[0], at);
    if (masked_ && !blocks_whole())
      weight = b.CreateSelect(column_valid(at), weight, ops_.constant(DType::u32, 0));
    sum = sum ? b.CreateAdd(sum, weight) : weight;
    exceeds.push_back(b.CreateICmpUGT(sum, threshold));
  }
  const SplitInteger block = source_.column_base(place.block);
  auto member_offset = [&](size_t i) {
    return ops_.constant(DType::u32, block.offset | offsets_[static_cast<size_t>(members[i])]);
  };
  Value* offset = member_offset(members.size() - 1);
  for (size_t i = members.size() - 1; i-- > 0;) offset = b.CreateSelect(exceeds[i], member_offset(i), offset);
  return b.CreateOr(block.base, offset);
}

}  // namespace gumtile::codegen
