#include "ir/analysis.h"

#include <algorithm>
#include <bit>
#include <set>

namespace gumtile {
namespace {

Level join(Level a, Level b) { return std::max(a, b); }

}  // namespace

Level reduction_level(const Program& program, const ReductionInfo& reduction) {
  return program.axes[reduction.axis].kind == AxisInfo::Kind::group ? Level::group : Level::element;
}

uint32_t split_block(uint32_t member_mask) { return member_mask == 0 ? 1 : std::bit_floor(member_mask) * 2; }

std::vector<uint32_t> member_offsets(uint32_t mask) {
  std::vector<uint32_t> offsets;
  for (uint32_t v = 0; v < split_block(mask); ++v)
    if ((v & ~mask) == 0) offsets.push_back(v);
  return offsets;
}

ProgramAnalysis analyze(const Program& program) {
  ProgramAnalysis a;
  for (AxisId i = 0; i < program.axes.size(); ++i) {
    const AxisInfo& axis = program.axes[i];
    if (axis.kind == AxisInfo::Kind::group) a.group_axis = i;
    if (axis.kind == AxisInfo::Kind::member) a.member_axis = i;
    if (axis.kind != AxisInfo::Kind::root) a.member_mask = axis.member_mask;
  }
  a.nodes.resize(program.nodes.size());
  for (NodeId id = 0; id < program.nodes.size(); ++id) {
    const Node& node = program.nodes[id];
    NodeInfo& info = a.nodes[id];
    for (NodeId operand : node.operands) {
      info.level = join(info.level, a.nodes[operand].level);
      info.per_row |= a.nodes[operand].per_row;
    }
    switch (node.op) {
      case Op::index:
        if (node.imm == program.row_axis) info.per_row = true;
        if (node.imm == program.column_axis) info.level = Level::element;
        if (node.imm == a.group_axis) info.level = Level::group;
        break;
      case Op::contract:
        info = {Level::element, true};
        a.contraction = static_cast<uint32_t>(node.imm);
        a.contraction_node = id;
        break;
      case Op::reduce: {
        const ReductionInfo& reduction = program.reductions[node.imm];
        info.per_row = true;
        if (reduction.axis == a.member_axis) {
          info.level = Level::group;
          a.member_reductions.push_back(id);
        } else {
          info.level = Level::final;
          a.sweep_reductions.push_back(id);
        }
        break;
      }
      case Op::select_ordered:
        info = {Level::group, true};
        break;
      default:
        break;
    }
  }
  std::set<NodeId> needed;
  auto need = [&](NodeId id) {
    if (id != kNone && a.nodes[id].level == Level::row && program.nodes[id].op != Op::constant)
      needed.insert(id);
  };
  for (NodeId id = 0; id < program.nodes.size(); ++id)
    if (a.nodes[id].level != Level::row)
      for (NodeId operand : program.nodes[id].operands) need(operand);
  for (const ReductionInfo& reduction : program.reductions) need(reduction.bound);
  for (const OutputInfo& output : program.outputs) need(output.node);
  need(program.row_guard);
  a.row_values.assign(needed.begin(), needed.end());
  return a;
}

namespace {

/// What `dsl_functions.h`'s argmax makes of its combine: the larger key, then the lower index; a key that is
/// NaN loses. `state`: key, index and carried values.
Lambda argmax_combine(const std::vector<DType>& state) {
  const DType f = DType::f32;
  const DType u = DType::u32;
  const DType p = DType::pred;
  const auto right = static_cast<uint64_t>(state.size());  // the first parameter of the right state
  Lambda combine{{{Op::param, f, {}, 0},
                  {Op::param, f, {}, right},
                  {Op::lt, p, {0, 1}},
                  {Op::eq, p, {1, 0}},
                  {Op::param, u, {}, right + 1},
                  {Op::param, u, {}, 1},
                  {Op::lt, p, {4, 5}},
                  {Op::bit_and, p, {3, 6}},
                  {Op::bit_or, p, {2, 7}},
                  {Op::ne, p, {0, 0}},
                  {Op::bit_or, p, {8, 9}},
                  {Op::select, f, {10, 1, 0}},
                  {Op::select, u, {10, 4, 5}}},
                 {11, 12}};
  for (uint64_t i = 2; i < state.size(); ++i) {
    const auto next = static_cast<NodeId>(combine.nodes.size());
    combine.nodes.push_back({Op::param, state[i], {}, right + i});
    combine.nodes.push_back({Op::param, state[i], {}, i});
    combine.nodes.push_back({Op::select, state[i], {10, next, next + 1}});
    combine.results.push_back(next + 2);
  }
  return combine;
}

Lambda or_combine() {
  const DType u = DType::u32;
  return {{{Op::param, u, {}, 0}, {Op::param, u, {}, 1}, {Op::bit_or, u, {0, 1}}}, {2}};
}

}  // namespace

Packing packing_of(const ReductionInfo& reduction) {
  if (reduction.combine == or_combine() && reduction.identity == std::vector<uint64_t>{0})
    return Packing::bit_or;
  if (is_argmax(reduction) && reduction.identity == std::vector<uint64_t>{0xff800000, ~0u})
    return Packing::argmax;
  return Packing::none;
}

bool is_argmax(const ReductionInfo& reduction) {
  return reduction.state.size() >= 2 && reduction.combine == argmax_combine(reduction.state);
}

NodeId contraction_result(const Program& program, const ProgramAnalysis& analysis) {
  const auto is_pure = [](Op op) {
    return op != Op::reduce && op != Op::select_ordered && op != Op::branch && op != Op::load;
  };
  const auto is_result_elsewhere = [&](NodeId id) {  // read by what is no node
    return std::any_of(program.outputs.begin(), program.outputs.end(),
                       [&](const OutputInfo& o) { return o.node == id || o.position == id; }) ||
           std::any_of(program.reductions.begin(), program.reductions.end(),
                       [&](const ReductionInfo& r) { return r.bound == id; }) ||
           program.row_guard == id;
  };
  NodeId result = analysis.contraction_node;
  while (result != kNone && !is_result_elsewhere(result)) {
    NodeId reader = kNone;
    for (NodeId id = 0; id < program.nodes.size(); ++id) {
      const std::vector<NodeId>& operands = program.nodes[id].operands;
      if (std::find(operands.begin(), operands.end(), result) == operands.end()) continue;
      if (reader != kNone) return result;
      reader = id;
    }
    if (reader == kNone || analysis.nodes[reader].level != Level::element ||
        program.nodes[reader].dtype != DType::f32 || !is_pure(program.nodes[reader].op))
      return result;
    result = reader;
  }
  return result;
}

}  // namespace gumtile
