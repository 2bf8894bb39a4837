#include <fmt/format.h>
#include <fmt/ranges.h>

#include <bit>

#include "ir/ops.h"
#include "support/hash.h"

namespace gumtile {
namespace {

std::string imm_text(const Program& program, const Node& node) {
  switch (imm_kind(node.op)) {
    case ImmKind::none:
      return "";
    case ImmKind::bits:
      return fmt::format(" {:#x}", node.imm);
    case ImmKind::number:
      return fmt::format(" {}", node.imm);
    case ImmKind::axis:
      return " " + program.axes[node.imm].name;
    case ImmKind::input:
      return " " + program.inputs[node.imm].name;
  }
  return "";
}

/// A constant's value, printed after its bits for human readers; the parser skips it.
std::string comment(const Node& node) {
  if (node.op != Op::constant) return "";
  if (node.dtype == DType::f32)
    return fmt::format("  ; {}", std::bit_cast<float>(static_cast<uint32_t>(node.imm)));
  if (is_signed_integer(node.dtype)) return fmt::format("  ; {}", static_cast<int64_t>(node.imm));
  return fmt::format("  ; {}", node.imm);
}

void print_nodes(std::string& out, const Program& program, const std::vector<Node>& nodes,
                 std::string_view indent, char sigil) {
  for (size_t id = 0; id < nodes.size(); ++id) {
    const Node& node = nodes[id];
    out += fmt::format("{}{}{} {} = {}{}", indent, sigil, id, name(node.dtype), name(node.op),
                       imm_text(program, node));
    for (NodeId operand : node.operands) out += fmt::format(" {}{}", sigil, operand);
    out += comment(node) + "\n";
  }
}

std::string axes_text(const Program& program, const std::vector<AxisId>& axes) {
  std::vector<std::string> names;
  for (AxisId axis : axes) names.push_back(program.axes[axis].name);
  return fmt::format("[{}]", fmt::join(names, ","));
}

constexpr std::string_view kOutputKinds[] = {"per_row", "tile", "any"};

}  // namespace

std::string print(const Program& p) {
  std::string out = fmt::format("program {}\n", p.name);
  for (const AxisInfo& axis : p.axes) {
    out += "axis " + axis.name;
    if (axis.kind != AxisInfo::Kind::root)
      out += fmt::format(" = {} {} {:#x}", axis.kind == AxisInfo::Kind::group ? "group" : "member",
                         p.axes[axis.parent].name, axis.member_mask);
    out += "\n";
  }
  if (p.row_axis != kNone) out += fmt::format("rows {}\n", p.axes[p.row_axis].name);
  if (p.column_axis != kNone) out += fmt::format("columns {}\n", p.axes[p.column_axis].name);
  for (const InputInfo& input : p.inputs)
    out += fmt::format("input {} {} {}{}\n", input.name, name(input.dtype), axes_text(p, input.axes),
                       input.optional ? " optional" : "");
  for (const ContractionInfo& c : p.contractions)
    out += fmt::format("contraction {} {} over {} as {}{}\n", p.inputs[c.left].name, p.inputs[c.right].name,
                       p.axes[c.axis].name, name(c.operand_dtype),
                       c.left_index == kNone ? "" : " gather " + p.inputs[c.left_index].name);
  for (const ReductionInfo& r : p.reductions) {
    out += fmt::format("reduction {} over {} state", r.name, p.axes[r.axis].name);
    for (size_t i = 0; i < r.state.size(); ++i)
      out += fmt::format(" {} {:#x}", name(r.state[i]), r.identity[i]);
    if (r.bound != kNone) out += fmt::format(" bound %{}", r.bound);
    out += "\n";
    print_nodes(out, p, r.combine.nodes, "  ", '$');
    out += "  yield";
    for (NodeId result : r.combine.results) out += fmt::format(" ${}", result);
    out += "\n";
  }
  print_nodes(out, p, p.nodes, "", '%');
  if (p.row_guard != kNone) out += fmt::format("guard %{}\n", p.row_guard);
  for (const OutputInfo& o : p.outputs)
    out += fmt::format(
        "output {} {} {} %{}{}{}\n", o.name, name(o.dtype), kOutputKinds[static_cast<size_t>(o.kind)], o.node,
        o.position == kNone ? "" : fmt::format(" at %{}", o.position), o.optional ? " optional" : "");
  return out;
}

std::string digest(const Program& program) { return hash_hex(print(program)); }

}  // namespace gumtile
