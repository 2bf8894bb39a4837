#include "ir/analysis.h"

#include <algorithm>
#include <bit>
#include <set>

namespace gumtile {
namespace {

Level join(Level a, Level b) { return std::max(a, b); }

/// The f32 element node through which everything else reads the contraction: the last one without which no
/// reduction, output, bound or guard would depend on the contraction. The nodes between the contraction and
/// it are elementwise.
NodeId find_contraction_result(const Program& program, const ProgramAnalysis& analysis) {
  const auto leaves = [&](NodeId id) {  // read by something other than an elementwise node
    const auto reads = [id](NodeId other) { return other == id; };
    return std::any_of(program.outputs.begin(), program.outputs.end(),
                       [&](const OutputInfo& o) { return reads(o.node) || reads(o.position); }) ||
           std::any_of(program.reductions.begin(), program.reductions.end(),
                       [&](const ReductionInfo& r) { return reads(r.bound); }) ||
           reads(program.row_guard);
  };
  /// Whether a value of the contraction gets past its elementwise readers without passing through `gate`.
  const auto passes_around = [&](NodeId gate) {
    std::vector<bool> reached(program.nodes.size());
    reached[analysis.contraction_node] = true;
    for (NodeId id = analysis.contraction_node; id < program.nodes.size(); ++id) {
      const Node& node = program.nodes[id];
      if (id == gate) continue;
      for (NodeId operand : node.operands)
        if (reached[operand]) reached[id] = true;
      if (!reached[id]) continue;
      const bool is_elementwise = node.op == Op::contract || (analysis.nodes[id].level == Level::element &&
                                                              node.op != Op::load && node.op != Op::philox);
      if (!is_elementwise || leaves(id)) return true;
    }
    return false;
  };
  const NodeId contraction = analysis.contraction_node;
  if (contraction == kNone) return kNone;
  std::vector<bool> depends(program.nodes.size());  // on the contraction
  depends[contraction] = true;
  NodeId result = contraction;
  for (NodeId id = contraction + 1; id < program.nodes.size(); ++id) {
    for (NodeId operand : program.nodes[id].operands)
      if (depends[operand]) depends[id] = true;
    const bool is_candidate = depends[id] && analysis.nodes[id].level == Level::element &&
                              program.nodes[id].dtype == DType::f32 && program.nodes[id].op != Op::load;
    if (is_candidate && !passes_around(id)) result = id;
  }
  return result;
}

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
  a.contraction_result = find_contraction_result(program, a);
  return a;
}

}  // namespace gumtile
