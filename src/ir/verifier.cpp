#include <fmt/format.h>

#include <bit>
#include <set>

#include "gumtile/error.h"
#include "ir/analysis.h"
#include "ir/ops.h"
#include "ir/reduction_kind.h"
#include "support/format.h"

namespace gumtile {

size_t result_count(const Program& program, const Node& node) {
  if (node.op == Op::philox) return 4;
  if (node.op == Op::reduce) return program.reductions[node.imm].state.size();
  return 1;
}

namespace {

constexpr const char* kGuardRule = "must be a pred that is known per row before the sweep";

class Verifier {
 public:
  explicit Verifier(const Program& program) : p_(program) {}

  void run() {
    check_names();
    check_axes();
    check_inputs();
    check_contractions();
    for (const ReductionInfo& reduction : p_.reductions) check_reduction(reduction);
    for (NodeId id = 0; id < p_.nodes.size(); ++id) check_node(p_.nodes, id, false);
    check_references();
    const ProgramAnalysis analysis = analyze(p_);
    check_levels(analysis);
    check_outputs(analysis);
  }

 private:
  [[noreturn]] void fail(const std::string& where, const std::string& message) const {
    throw Error(ErrorCode::bad_data, fmt::format("Program '{}', {}: {}", p_.name, where, message));
  }
  [[noreturn]] void fail_node(NodeId id, const std::string& message) const {
    fail(fmt::format("node %{} ({})", id, name(p_.nodes[id].op)), message);
  }

  static bool fits(DType dtype, uint64_t bits) {
    if (dtype == DType::pred) return bits <= 1;
    return size_bytes(dtype) == 8 || bits <= 0xffffffffu;
  }

  void check_names() const {
    std::set<std::string> seen;
    auto check_word = [&](const std::string& text, const char* what) {
      if (text.empty() || text.find_first_of(" \t\r\n;[],%$=") != std::string::npos)
        fail(fmt::format("{} '{}'", what, text), "a name is a word without spaces or any of ;[],%$=");
    };
    auto check = [&](const std::string& text, const char* what) {
      check_word(text, what);
      if (!seen.insert(std::string(what) + text).second)
        fail(fmt::format("{} '{}'", what, text), "this name is taken; choose another");
    };
    check(p_.name, "program");
    for (const AxisInfo& axis : p_.axes) check(axis.name, "axis");
    for (const InputInfo& input : p_.inputs) check(input.name, "input");
    for (const OutputInfo& output : p_.outputs) check(output.name, "output");
    for (const ReductionInfo& reduction : p_.reductions) check_word(reduction.name, "reduction");
  }

  void check_axes() const {
    size_t groups = 0;
    size_t members = 0;
    for (const AxisInfo& axis : p_.axes) {
      if (axis.kind == AxisInfo::Kind::root) continue;
      const std::string where = fmt::format("axis '{}'", axis.name);
      if (axis.parent != p_.column_axis || p_.column_axis == kNone)
        fail(where, "only the column axis (the one that is swept) can be split; split that one");
      if (axis.member_mask == 0 || axis.member_mask >= 64)
        fail(where, fmt::format("the member mask {:#x} must lie in 0x1..0x3f (blocks of at most 64)",
                                axis.member_mask));
      if (std::popcount(axis.member_mask) > 4)
        fail(where, fmt::format("the member mask {:#x} has {} bits; a group has at most 16 members (4 bits)",
                                axis.member_mask, std::popcount(axis.member_mask)));
      (axis.kind == AxisInfo::Kind::group ? groups : members)++;
    }
    if (groups != members || groups > 1)
      fail("axes", "a Program has at most one split, made of one group and one member axis");
    const AxisInfo* split[2] = {nullptr, nullptr};
    for (const AxisInfo& axis : p_.axes)
      if (axis.kind != AxisInfo::Kind::root) split[axis.kind == AxisInfo::Kind::member] = &axis;
    if (split[0] && split[0]->member_mask != split[1]->member_mask)
      fail("axes", "the group and the member axis of a split have the same mask");
    if (p_.row_axis == kNone) fail("axes", "there is no row axis; make an output or contraction over one");
    if (p_.column_axis == kNone)
      fail("axes", "there is no column axis; reduce over one, or store a tile [row, column]");
    if (p_.row_axis >= p_.axes.size() || p_.column_axis >= p_.axes.size() || p_.row_axis == p_.column_axis ||
        p_.axes[p_.row_axis].kind != AxisInfo::Kind::root ||
        p_.axes[p_.column_axis].kind != AxisInfo::Kind::root)
      fail("axes", "the row and the column axis must be two different root axes");
  }

  void check_inputs() const {
    for (const InputInfo& input : p_.inputs) {
      const std::string where = fmt::format("input '{}'", input.name);
      if (input.axes.size() > 2) fail(where, "an input has at most two axes; flatten or pad the others");
      if (input.dtype == DType::pred) fail(where, "an input cannot be pred; take i32 and compare with 0");
      for (AxisId axis : input.axes)
        if (axis >= p_.axes.size())
          fail(where, fmt::format("axis {} does not exist", axis));
        else if (p_.axes[axis].kind != AxisInfo::Kind::root)
          fail(where, fmt::format("axis '{}' is a split; an input has root axes", p_.axes[axis].name));
    }
  }

  void check_contractions() const {
    if (p_.contractions.size() > 1)
      fail("contraction 1", "a Program has at most one contraction; run a second Program for the other");
    for (const ContractionInfo& c : p_.contractions) {
      const std::string where = "contraction 0";
      if (c.left >= p_.inputs.size() || c.right >= p_.inputs.size()) fail(where, "unknown input");
      if (c.axis >= p_.axes.size()) fail(where, fmt::format("axis {} does not exist", c.axis));
      const auto& left = p_.inputs[c.left];
      const auto& right = p_.inputs[c.right];
      if (left.axes != std::vector<AxisId>{p_.row_axis, c.axis})
        fail(where, fmt::format("the left input '{}' must be [{}, {}]", left.name, p_.axes[p_.row_axis].name,
                                p_.axes[c.axis].name));
      if (right.axes != std::vector<AxisId>{p_.column_axis, c.axis})
        fail(where, fmt::format("the right input '{}' must be [{}, {}]", right.name,
                                p_.axes[p_.column_axis].name, p_.axes[c.axis].name));
      if (c.axis == p_.row_axis || c.axis == p_.column_axis || p_.axes[c.axis].kind != AxisInfo::Kind::root)
        fail(where, "the contracted axis must be a third root axis");
      if (left.optional || right.optional) fail(where, "a contracted input cannot be optional");
      for (const InputInfo* input : {&left, &right})
        if (!is_float(input->dtype))
          fail(where, fmt::format("input '{}' is {}; contracted inputs are {}", input->name,
                                  name(input->dtype), matrix_format_names("or")));
      if (!is_float(c.operand_dtype))
        fail(where, fmt::format("the operands of a contraction are {}", matrix_format_names("or")));
      if (c.left_index == kNone) continue;
      if (c.left_index >= p_.inputs.size()) fail(where, "the input that gathers its left rows is unknown");
      const InputInfo& index = p_.inputs[c.left_index];
      if (index.dtype != DType::i32 || index.axes != std::vector<AxisId>{p_.row_axis})
        fail(where, fmt::format("input '{}' gathers its left rows and must be i32 [{}]", index.name,
                                p_.axes[p_.row_axis].name));
    }
  }

  void check_reduction(const ReductionInfo& r) const {
    const std::string where = fmt::format("reduction '{}'", r.name);
    if (r.state.empty() || r.state.size() != r.identity.size() || r.state.size() != r.combine.results.size())
      fail(where, "state, identity and the combine's results must have the same, non-zero length");
    if (r.axis >= p_.axes.size() ||
        (r.axis != p_.column_axis && p_.axes[r.axis].kind == AxisInfo::Kind::root))
      fail(where, "a reduction runs over the column axis or a split of it");
    for (DType dtype : r.state)
      if (compute_type(dtype) != dtype || dtype == DType::pred)
        fail(where, fmt::format("a state cannot be {}; use f32 or u32", name(dtype)));
    const Lambda& lambda = r.combine;
    for (NodeId id = 0; id < lambda.nodes.size(); ++id) {
      const Node& node = lambda.nodes[id];
      switch (node.op) {
        case Op::index:
        case Op::load:
        case Op::reduce:
        case Op::contract:
        case Op::select_ordered:
        case Op::philox:
        case Op::get:
          fail(where, fmt::format("'{}' cannot be used in a combine; compute it in the lift", name(node.op)));
        case Op::param:
          if (node.imm >= 2 * r.state.size() || node.dtype != r.state[node.imm % r.state.size()])
            fail(where, fmt::format("param {} does not match the state", node.imm));
          break;
        default:
          break;
      }
      check_node(lambda.nodes, id, true);
    }
    for (size_t i = 0; i < r.state.size(); ++i)
      if (!fits(r.state[i], r.identity[i]))
        fail(where, fmt::format("the identity {:#x} has bits that {} does not have", r.identity[i],
                                name(r.state[i])));
    for (size_t i = 0; i < r.state.size(); ++i)
      if (lambda.results[i] >= lambda.nodes.size() || lambda.nodes[lambda.results[i]].dtype != r.state[i])
        fail(where, fmt::format("result {} of the combine must be {}", i, name(r.state[i])));
    if (r.kind != recognise(r))
      fail(where, "its kind is not that of its combine; build Programs by ProgramBuilder or parse_program");
    if (r.bound != kNone) {
      if (r.bound >= p_.nodes.size()) fail(where, "the bound is not a node");
      if (p_.nodes[r.bound].dtype != r.state[0])
        fail(where, fmt::format("the bound is compared with state 0 and must be {}", name(r.state[0])));
      if (p_.axes[r.axis].kind == AxisInfo::Kind::member)
        fail(where, "a bound is for a reduction over the column or group axis; members are too few to skip");
    }
  }

  void check_node(const std::vector<Node>& nodes, NodeId id, bool lambda) const {
    const Node& n = nodes[id];
    auto bad = [&](const std::string& message) {
      fail(fmt::format("node {}{} ({})", lambda ? '$' : '%', id, name(n.op)), message);
    };
    const int expected = arity(n.op);
    if (expected >= 0 && n.operands.size() != static_cast<size_t>(expected))
      bad(fmt::format("takes {} operands, found {}", expected, n.operands.size()));
    for (NodeId operand : n.operands) {
      if (operand >= id) bad(fmt::format("operand {} must come before its user", operand));
      if (!lambda && n.op != Op::get && result_count(p_, nodes[operand]) != 1)
        bad(fmt::format("operand %{} has several results; read one with 'get'", operand));
    }
    if (compute_type(n.dtype) != n.dtype)
      bad(fmt::format("{} is a storage type of inputs and outputs; compute in f32", name(n.dtype)));
    auto type = [&](size_t i) { return nodes[n.operands[i]].dtype; };
    auto want = [&](size_t i, DType dtype) {
      if (type(i) != dtype)
        bad(fmt::format("operand {} must be {}, found {}; insert a cast", i, name(dtype), name(type(i))));
    };
    switch (n.op) {
      case Op::constant:
        if (!fits(n.dtype, n.imm)) bad(fmt::format("the bits {:#x} do not fit {}", n.imm, name(n.dtype)));
        break;
      case Op::param:
        if (!lambda) bad("a param exists only inside a reduction's combine");
        break;
      case Op::index:
        if (n.dtype != DType::u32) bad("an index is u32");
        if (n.imm >= p_.axes.size() ||
            (n.imm != p_.row_axis && n.imm != p_.column_axis && p_.axes[n.imm].kind != AxisInfo::Kind::group))
          bad("only the row, column and group axes have an index here");
        break;
      case Op::load: {
        if (n.imm >= p_.inputs.size()) bad("unknown input");
        const InputInfo& input = p_.inputs[n.imm];
        const size_t wanted = input.axes.size() + (input.optional ? 1 : 0);
        if (n.operands.size() != wanted)
          bad(fmt::format("input '{}' takes {} operands (one index an axis{}), found {}", input.name, wanted,
                          input.optional ? " and a fallback" : "", n.operands.size()));
        for (size_t i = 0; i < input.axes.size(); ++i)
          if (type(i) != DType::i32 && type(i) != DType::u32) bad("an index must be i32 or u32");
        if (input.optional) want(wanted - 1, compute_type(input.dtype));
        if (n.dtype != compute_type(input.dtype))
          bad(fmt::format("gives {}", name(compute_type(input.dtype))));
        break;
      }
      case Op::neg:
      case Op::abs:
        want(0, n.dtype);
        if (!is_float(n.dtype) && !is_signed_integer(n.dtype)) bad("needs a float or signed integer");
        break;
      case Op::bit_not:
        want(0, n.dtype);
        if (is_float(n.dtype)) bad("needs an integer or pred; bitcast first");
        break;
      case Op::exp:
      case Op::log:
      case Op::exp2:
      case Op::log2:
      case Op::tanh:
      case Op::rint:
      case Op::floor:
        want(0, DType::f32);
        if (n.dtype != DType::f32) bad("gives f32");
        break;
      case Op::cast:
        break;
      case Op::bitcast:
        if (size_bytes(n.dtype) != 4 || size_bytes(type(0)) != 4) bad("is between 32-bit types");
        break;
      case Op::add:
      case Op::sub:
      case Op::mul:
      case Op::div:
      case Op::min:
      case Op::max:
        want(0, n.dtype);
        want(1, n.dtype);
        if (n.dtype == DType::pred) bad("has no meaning for pred; use and, or, xor");
        if (n.op == Op::div && n.dtype != DType::f32) bad("is for f32; shift or multiply integers instead");
        break;
      case Op::bit_and:
      case Op::bit_or:
      case Op::bit_xor:
        want(0, n.dtype);
        want(1, n.dtype);
        if (is_float(n.dtype)) bad("needs integers or pred; bitcast first");
        break;
      case Op::shl:
      case Op::shr:
        want(0, n.dtype);
        want(1, n.dtype);
        if (!is_integer(n.dtype)) bad("needs integers");
        break;
      case Op::mulhi:
        want(0, DType::u32);
        want(1, DType::u32);
        if (n.dtype != DType::u32) bad("gives u32");
        break;
      case Op::eq:
      case Op::ne:
      case Op::lt:
      case Op::le:
        want(1, type(0));
        if (n.dtype != DType::pred) bad("gives pred");
        break;
      case Op::select:
      case Op::branch:
        want(0, DType::pred);
        want(1, n.dtype);
        want(2, n.dtype);
        break;
      case Op::fma:
        for (size_t i = 0; i < 3; ++i) want(i, DType::f32);
        if (n.dtype != DType::f32) bad("gives f32");
        break;
      case Op::philox:
        for (size_t i = 0; i < 6; ++i) want(i, DType::u32);
        if (n.dtype != DType::u32) bad("gives u32 words");
        if (n.imm < 1 || n.imm > 16) bad("takes 1 to 16 rounds");
        break;
      case Op::reduce: {
        if (n.imm >= p_.reductions.size()) bad("unknown reduction");
        const ReductionInfo& r = p_.reductions[n.imm];
        if (n.operands.size() != r.state.size())
          bad(fmt::format("'{}' lifts {} values, found {}", r.name, r.state.size(), n.operands.size()));
        for (size_t i = 0; i < r.state.size(); ++i) want(i, r.state[i]);
        if (n.dtype != r.state[0]) bad("has the type of its first state");
        break;
      }
      case Op::get: {
        const Node& source = nodes[n.operands[0]];
        if (n.imm >= result_count(p_, source)) bad("reads a result that its operand does not have");
        const DType expected_type =
            source.op == Op::reduce ? p_.reductions[source.imm].state[n.imm] : source.dtype;
        if (n.dtype != expected_type) bad(fmt::format("gives {}", name(expected_type)));
        break;
      }
      case Op::contract:
        if (n.imm >= p_.contractions.size()) bad("unknown contraction");
        if (n.dtype != DType::f32) bad("gives f32");
        break;
      case Op::select_ordered:
        want(0, DType::u32);
        want(1, DType::u32);
        if (n.dtype != DType::u32) bad("gives u32");
        if (n.imm >= p_.axes.size() || p_.axes[n.imm].kind != AxisInfo::Kind::member)
          bad("selects along a member axis; split the column axis first");
        break;
    }
  }

  /// Checks the references that the analysis for the later checks follows.
  void check_references() const {
    if (p_.row_guard != kNone && p_.row_guard >= p_.nodes.size()) fail("row guard", kGuardRule);
    for (const OutputInfo& o : p_.outputs)
      if (o.node >= p_.nodes.size() || (o.position != kNone && o.position >= p_.nodes.size()))
        fail(fmt::format("output '{}'", o.name), "is not a node");
  }

  void check_levels(const ProgramAnalysis& a) const {
    for (NodeId id = 0; id < p_.nodes.size(); ++id) {
      const Node& n = p_.nodes[id];
      const bool sweeps = n.op == Op::reduce || n.op == Op::select_ordered;
      for (NodeId operand : n.operands) {
        const Level level = a.nodes[operand].level;
        if (level == Level::final && sweeps)
          fail_node(
              id, fmt::format("reduces %{}, which needs a finished reduction; a Program is one sweep: carry "
                              "the value in the monoid's state, or run a second Program",
                              operand));
        if (a.nodes[id].level == Level::final && n.op != Op::reduce &&
            (level == Level::element || level == Level::group))
          fail_node(
              id, fmt::format("mixes %{}, a value per {}, with a finished reduction; a Program is one sweep: "
                              "carry the value in the monoid's state, or run a second Program",
                              operand, level == Level::group ? "group" : "column"));
      }
      if (n.op == Op::reduce) {
        const ReductionInfo& r = p_.reductions[n.imm];
        const bool group = p_.axes[r.axis].kind == AxisInfo::Kind::group;
        if (group)
          for (NodeId operand : n.operands)
            if (a.nodes[operand].level == Level::element)
              fail_node(id,
                        fmt::format("reduces over groups, but %{} has a value per column; reduce it over the "
                                    "member axis first",
                                    operand));
        if (r.bound != kNone && a.nodes[r.bound].level > (group ? Level::group : Level::element))
          fail_node(id, fmt::format("its bound %{} is known later than the values it bounds", r.bound));
      }
      if (n.op == Op::select_ordered && a.nodes[n.operands[1]].level == Level::element)
        fail_node(id, "the threshold must be one value per group or row");
    }
    if (p_.row_guard != kNone) {
      if (p_.nodes[p_.row_guard].dtype != DType::pred || a.nodes[p_.row_guard].level != Level::row)
        fail("row guard", kGuardRule);
    }
  }

  void check_outputs(const ProgramAnalysis& a) const {
    if (p_.outputs.empty()) fail("outputs", "there is none; call output()");
    for (const OutputInfo& o : p_.outputs) {
      const std::string where = fmt::format("output '{}'", o.name);
      const Node& node = p_.nodes[o.node];
      if (result_count(p_, node) != 1) fail(where, "has several results; read one with 'get'");
      const Level level = a.nodes[o.node].level;
      if (o.kind == OutputInfo::Kind::tile) {
        if (level != Level::element)
          fail(where,
               "a tile output is a value per (row, column); reduce nothing, or make it a per-row output");
      } else if (level == Level::element || level == Level::group) {
        fail(where,
             fmt::format("node %{} has a value per {}; reduce it over '{}' or store it as a tile", o.node,
                         level == Level::group ? "group" : "column", p_.axes[p_.column_axis].name));
      }
      if (o.kind == OutputInfo::Kind::any && o.dtype != DType::u32 && o.dtype != DType::i32)
        fail(where, "the or over rows is i32 or u32");
      if (compute_type(o.dtype) != node.dtype)
        fail(where,
             fmt::format("is {} but node %{} is {}; insert a cast", name(o.dtype), o.node, name(node.dtype)));
      if (o.position != kNone) check_position(o, a, where);
    }
  }

  void check_position(const OutputInfo& o, const ProgramAnalysis& a, const std::string& where) const {
    const Node& position = p_.nodes[o.position];
    if (o.kind != OutputInfo::Kind::per_row) fail(where, "only a per-row output has a position");
    if (result_count(p_, position) != 1)
      fail(where, fmt::format("its position %{} has several results; read one with 'get'", o.position));
    if (a.nodes[o.position].level != Level::row)
      fail(where,
           fmt::format("its position %{} must be known per row before the sweep; compute it from inputs "
                       "over '{}'",
                       o.position, p_.axes[p_.row_axis].name));
    if (position.dtype != DType::i32 && position.dtype != DType::u32 && position.dtype != DType::i64)
      fail(where, fmt::format("its position %{} is {}; cast it to i32, u32 or i64", o.position,
                              name(position.dtype)));
  }

  const Program& p_;
};

}  // namespace

void verify(const Program& program) { Verifier(program).run(); }

}  // namespace gumtile
