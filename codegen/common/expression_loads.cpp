#include <algorithm>
#include <array>

#include "codegen/common/adjacent.h"
#include "codegen/common/control_flow.h"
#include "codegen/common/expression_emitter.h"

// Loads of inputs. Loads with a value per column are emitted together for all columns of a group that a lane
// holds: one condition guards them all, and adjacent ones share an instruction.

namespace gumtile::codegen {

using llvm::Value;

/// Whether an index computed by `node` belongs to a column that exists. Members with the same index share the
/// check of the first of them: one existing column is enough.
Value* ExpressionEmitter::index_valid(NodeId node, const Place& place) {
  if (analysis_.nodes[node].level == Level::group) return group_valid(place);
  Place first = place;
  if (place.member != chosen_member() && plan_.problem.first_column % 64 == 0) {
    const Known own = known(node, place, 0);
    for (int member = 0; !own.value && member < place.member; ++member) {
      const Known other = known(node, {place.row, place.block, member}, 0);
      if (other.value || other.split.base != own.split.base || other.split.offset != own.split.offset)
        continue;
      first.member = member;
      break;
    }
  }
  return column_valid(first);
}

/// An index (of its own type) along an axis of an input. A column outside the range is dropped later; until
/// then it takes the index of one that exists, so that nothing out of bounds is read.
Value* ExpressionEmitter::safe_index(NodeId node, AxisId axis, const Place& place) {
  const DType type = program_.nodes[node].dtype;
  Value* at = value(node, place);
  const bool along_columns = axis == program_.column_axis;
  if (along_columns && plan_.problem.first_column != 0)
    at = b.CreateSub(at, ops_.constant(type, static_cast<uint64_t>(plan_.problem.first_column)));
  const Level level = analysis_.nodes[node].level;
  // What inactive rows contribute to an index is 0, which may lie before a range that starts later.
  const bool may_be_before = analysis_.nodes[node].per_row && plan_.problem.first_column != 0;
  if (along_columns && (masked_ || may_be_before)) {
    Value* last = ops_.constant(DType::u32, static_cast<uint64_t>(plan_.problem.columns - 1));
    return b.CreateBinaryIntrinsic(llvm::Intrinsic::umin, at, last);
  }
  if (!masked_ || along_columns || (level != Level::element && level != Level::group)) return at;
  return b.CreateSelect(index_valid(node, place), at, ops_.constant(type, 0));
}

/// One element. If the input is optional, it is known to be bound.
Value* ExpressionEmitter::load_one(const Node& node, const Place& place) {
  const auto input = static_cast<uint32_t>(node.imm);
  const InputInfo& info = program_.inputs[input];
  Value* index = nullptr;
  for (size_t axis = 0; axis < info.axes.size(); ++axis) {
    Value* at = safe_index(node.operands[axis], info.axes[axis], place);
    at = is_signed_integer(program_.nodes[node.operands[axis]].dtype)
             ? b.CreateSExt(at, ops_.type(DType::i64))
             : b.CreateZExt(at, ops_.type(DType::i64));
    index = axis == 0 ? at : b.CreateAdd(b.CreateMul(index, ops_.splat(source_.input_stride(input))), at);
  }
  if (!index) index = ops_.constant(DType::i64, 0);
  Value* stored = source_.load(info.dtype, source_.input_address(input), index);
  return ops_.from_storage(info.dtype, stored);
}

Value* ExpressionEmitter::load(const Node& node, const Place& place) {
  const auto input = static_cast<uint32_t>(node.imm);
  const InputInfo& info = program_.inputs[input];
  if (!info.optional) return load_one(node, place);
  Value* fallback = value(node.operands.back(), place);
  for (size_t axis = 0; axis < info.axes.size(); ++axis)
    value(node.operands[axis], place);  // computed outside the branch
  const std::function<Value*()> emit = [&] { return load_one(node, place); };
  Value* is_there = b.CreateICmpNE(source_.input_address(input), b.getInt64(0));
  return value_if(
      b, is_there, [&] { return in_scope(emit); }, fallback);
}

/// Where the columns of several members lie in an input whose last axis is the column axis; its row, if it
/// has one, must be known before the sweep. Empty for other inputs and indices.
std::optional<ExpressionEmitter::ColumnRun> ExpressionEmitter::column_run(const Node& node,
                                                                          const Place& place,
                                                                          const std::vector<int>& members) {
  const auto input = static_cast<uint32_t>(node.imm);
  const InputInfo& info = program_.inputs[input];
  const size_t rank = info.axes.size();
  if (!source_.has_runs() || rank == 0 || rank > 2 || info.axes.back() != program_.column_axis)
    return std::nullopt;
  // Rows known before the sweep; along the columns they would need the range's start and end.
  if (rank == 2 &&
      (analysis_.nodes[node.operands[0]].level != Level::row || info.axes[0] == program_.column_axis))
    return std::nullopt;
  // An index that also depends on the row need not be one of an existing column.
  if (analysis_.nodes[node.operands[rank - 1]].per_row) return std::nullopt;
  const auto bytes = static_cast<int64_t>(size_bytes(info.dtype));
  ColumnRun run;
  Value* base = nullptr;
  for (int member : members) {
    const Known at = known(node.operands[rank - 1], {place.row, place.block, member}, 0);
    if (at.value || !at.split.base || (base && at.split.base != base)) return std::nullopt;
    base = at.split.base;
    run.offsets.push_back(static_cast<int64_t>(at.split.offset) * bytes);
  }
  const int64_t first_column = plan_.problem.first_column;
  Value* index = b.CreateSub(b.CreateZExt(base, b.getInt64Ty()), word(first_column));
  Value* alignment = alignment_bits(b, source_.input_address(input), word(0), bytes);
  if (rank == 2) {
    Value* row = value(node.operands[0], place);
    row = is_signed_integer(program_.nodes[node.operands[0]].dtype) ? b.CreateSExt(row, b.getInt64Ty())
                                                                    : b.CreateZExt(row, b.getInt64Ty());
    Value* stride = source_.input_stride(input);
    index = b.CreateAdd(b.CreateMul(row, stride), index);
    alignment = alignment_bits(b, source_.input_address(input), stride, bytes);
  }
  run.address = b.CreateAdd(source_.input_address(input), b.CreateMul(index, word(bytes)));
  if (first_column % 2 == 0 && are_pairs(run.offsets, bytes))
    run.pairs_aligned = is_aligned(b, alignment, 2 * bytes);
  return run;
}

Value* ExpressionEmitter::all_valid(const Place& place, const std::vector<int>& members) {
  if (!masked_) return b.getTrue();
  return b.CreateAnd(column_valid({place.row, place.block, members.front()}),
                     column_valid({place.row, place.block, members.back()}));
}

/// Elements of several members. If the input is optional, it is known to be bound.
std::vector<Value*> ExpressionEmitter::load_members(const Node& node, const Place& place,
                                                    const std::vector<int>& members) {
  const DType dtype = program_.inputs[node.imm].dtype;
  const std::optional<ColumnRun> run = column_run(node, place, members);
  const auto runs_of = [&](size_t count) {
    std::vector<Value*> values;
    for (size_t i = 0; i < members.size(); i += count)
      for (Value* stored : source_.load_run(dtype, run->address, run->offsets[i], count))
        values.push_back(ops_.from_storage(dtype, stored));
    return values;
  };
  const std::function<std::vector<Value*>()> single = [&] {
    if (run && !masked_) return runs_of(1);
    std::vector<Value*> values;
    for (int member : members) values.push_back(load_one(node, {place.row, place.block, member}));
    return values;
  };
  if (!run || !run->pairs_aligned) return single();
  Value* in_pairs = b.CreateAnd(run->pairs_aligned, all_valid(place, members));
  return values_if(
      b, in_pairs, [&] { return runs_of(2); }, [&] { return in_scope(single); });
}

std::vector<Value*> ExpressionEmitter::load_together(const Node& node, const Place& place,
                                                     const std::vector<int>& members) {
  const auto input = static_cast<uint32_t>(node.imm);
  const InputInfo& info = program_.inputs[input];
  if (!info.optional) return load_members(node, place, members);
  std::vector<Value*> fallback;
  for (int member : members) {
    const Place at{place.row, place.block, member};
    fallback.push_back(value(node.operands.back(), at));
    for (size_t axis = 0; axis < info.axes.size(); ++axis) value(node.operands[axis], at);
  }
  const std::function<std::vector<Value*>()> emit = [&] { return load_members(node, place, members); };
  Value* is_there = b.CreateICmpNE(source_.input_address(input), b.getInt64(0));
  return values_if(
      b, is_there, [&] { return in_scope(emit); }, [&] { return fallback; });
}

}  // namespace gumtile::codegen
