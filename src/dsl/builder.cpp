#include <fmt/format.h>

#include <functional>
#include <map>

#include "dsl/graph.h"
#include "gumtile/error.h"
#include "ir/reduction_kind.h"

namespace gumtile {

using detail::Graph;

namespace {

std::vector<AxisId> ids(const std::vector<Axis>& axes) {
  std::vector<AxisId> result;
  for (Axis axis : axes) result.push_back(axis.id);
  return result;
}

/// Numbers the needed nodes in the order in which a walk from the results meets them, operands first, so that
/// the text of a Program does not depend on the order in which C++ evaluated the expressions that built it.
class Canonical {
 public:
  explicit Canonical(const std::vector<Node>& nodes) : nodes_(nodes), map_(nodes.size(), kNone) {}

  /// `before` is called with each node before its operands are walked.
  template <typename Before>
  NodeId visit(NodeId id, const Before& before) {
    if (id == kNone || map_[id] != kNone) return id == kNone ? kNone : map_[id];
    Node node = nodes_[id];
    before(node);
    for (NodeId& operand : node.operands) operand = visit(operand, before);
    map_[id] = static_cast<NodeId>(ordered_.size());
    ordered_.push_back(std::move(node));
    return map_[id];
  }
  std::vector<Node> take() { return std::move(ordered_); }

 private:
  const std::vector<Node>& nodes_;
  std::vector<NodeId> map_;
  std::vector<Node> ordered_;
};

Lambda canonical(const Lambda& lambda) {
  Canonical order(lambda.nodes);
  Lambda result;
  for (NodeId id : lambda.results) result.results.push_back(order.visit(id, [](Node&) {}));
  result.nodes = order.take();
  return result;
}

/// Drops nodes that no output needs, and brings the others into canonical order.
Program canonical(const Program& program) {
  Program p = program;
  Canonical order(program.nodes);
  std::map<uint64_t, uint64_t> reductions;  // old number -> new
  p.reductions.clear();
  std::function<void(Node&)> before = [&](Node& node) {
    if (node.op != Op::reduce) return;
    const auto [it, added] = reductions.emplace(node.imm, p.reductions.size());
    node.imm = it->second;
    if (!added) return;
    const uint64_t at = it->second;
    p.reductions.push_back(program.reductions[it->first]);
    const NodeId bound =
        order.visit(p.reductions[at].bound, before);  // may add reductions, so no reference to one is held
    p.reductions[at].bound = bound;
  };
  p.row_guard = order.visit(program.row_guard, before);
  for (OutputInfo& output : p.outputs) {
    output.node = order.visit(output.node, before);
    output.position = order.visit(output.position, before);
  }
  p.nodes = order.take();
  return p;
}

}  // namespace

Expr Axis::index() const { return graph->add(Op::index, DType::u32, {}, id); }

Expr Tensor::at(std::vector<Expr> indices) const {
  const InputInfo& info = graph_->program.inputs[input_];
  std::vector<NodeId> operands;
  for (size_t i = 0; i < indices.size(); ++i)
    operands.push_back(
        graph_->bind(indices[i], i < info.axes.size() ? DType::u32 : compute_type(info.dtype)));
  return graph_->add(Op::load, compute_type(info.dtype), std::move(operands), input_);
}

ProgramBuilder::ProgramBuilder(std::string name) : graph_(std::make_unique<Graph>()) {
  graph_->program.name = std::move(name);
}
ProgramBuilder::~ProgramBuilder() = default;

Axis ProgramBuilder::axis(std::string name) {
  graph_->program.axes.push_back({std::move(name)});
  return {static_cast<AxisId>(graph_->program.axes.size() - 1), graph_.get()};
}

Split ProgramBuilder::split(Axis column, uint32_t member_mask) {
  columns(column);
  std::vector<AxisInfo>& axes = graph_->program.axes;
  const std::string base = axes[column.id].name;
  axes.push_back({base + ".group", AxisInfo::Kind::group, column.id, member_mask});
  axes.push_back({base + ".member", AxisInfo::Kind::member, column.id, member_mask});
  const auto last = static_cast<AxisId>(axes.size() - 1);
  return {{last - 1, graph_.get()}, {last, graph_.get()}, column};
}

Tensor ProgramBuilder::input(std::string name, DType dtype, std::vector<Axis> axes) {
  graph_->program.inputs.push_back({std::move(name), dtype, ids(axes), false});
  return {graph_.get(), static_cast<uint32_t>(graph_->program.inputs.size() - 1)};
}

Tensor ProgramBuilder::optional_input(std::string name, DType dtype, std::vector<Axis> axes) {
  graph_->program.inputs.push_back({std::move(name), dtype, ids(axes), true});
  return {graph_.get(), static_cast<uint32_t>(graph_->program.inputs.size() - 1)};
}

Expr ProgramBuilder::constant(DType dtype, double value) {
  return graph_->add(Op::constant, dtype, {}, detail::constant_bits(dtype, value));
}
Expr ProgramBuilder::constant_u32(uint32_t value) { return graph_->add(Op::constant, DType::u32, {}, value); }
Expr ProgramBuilder::constant_u64(uint64_t value) { return graph_->add(Op::constant, DType::u64, {}, value); }
Expr ProgramBuilder::constant_i64(int64_t value) {
  return graph_->add(Op::constant, DType::i64, {}, static_cast<uint64_t>(value));
}

Expr ProgramBuilder::contract(Tensor left, Tensor right, Axis axis, std::optional<DType> operand_dtype,
                              std::optional<Tensor> left_index) {
  Program& p = graph_->program;
  if (left.graph() != graph_.get() || right.graph() != graph_.get() ||
      (left_index && left_index->graph() != graph_.get()))
    throw Error(ErrorCode::bad_data,
                fmt::format("Program '{}': contract() of a Tensor of another builder", p.name));
  const InputInfo& l = p.inputs[left.input()];
  const InputInfo& r = p.inputs[right.input()];
  if (l.axes.size() != 2 || r.axes.size() != 2)
    throw Error(ErrorCode::bad_data,
                fmt::format("contract('{}', '{}'): both inputs must be matrices", l.name, r.name));
  p.row_axis = l.axes[0];
  p.column_axis = r.axes[0];
  p.contractions.push_back({left.input(), right.input(), axis.id, operand_dtype.value_or(r.dtype),
                            left_index ? left_index->input() : kNone});
  return graph_->add(Op::contract, DType::f32, {}, p.contractions.size() - 1);
}

void ProgramBuilder::guard(Expr active) { graph_->program.row_guard = graph_->bind(active, DType::pred); }

void ProgramBuilder::output(std::string name, Expr value, std::optional<DType> dtype, bool optional) {
  graph_->program.outputs.push_back({std::move(name), dtype.value_or(value.dtype()),
                                     graph_->bind(value, value.dtype()), OutputInfo::Kind::per_row,
                                     optional});
}
void ProgramBuilder::scattered_output(std::string name, Expr value, Expr position, std::optional<DType> dtype,
                                      bool optional) {
  output(std::move(name), value, dtype, optional);
  graph_->program.outputs.back().position = graph_->bind(position, DType::i32);
}
void ProgramBuilder::tile_output(std::string name, Expr value, std::optional<DType> dtype) {
  graph_->program.outputs.push_back({std::move(name), dtype.value_or(value.dtype()),
                                     graph_->bind(value, value.dtype()), OutputInfo::Kind::tile, false});
}
void ProgramBuilder::any_output(std::string name, Expr value, bool optional) {
  graph_->program.outputs.push_back(
      {std::move(name), value.dtype(), graph_->bind(value, value.dtype()), OutputInfo::Kind::any, optional});
}

void ProgramBuilder::rows(Axis axis) { graph_->program.row_axis = axis.id; }
void ProgramBuilder::columns(Axis axis) { graph_->program.column_axis = axis.id; }

Program ProgramBuilder::build() {
  Program p = graph_->program;
  if (p.row_axis == kNone)
    for (const InputInfo& input : p.inputs)
      if (input.axes.size() == 2 && input.axes[1] == p.column_axis) p.row_axis = input.axes[0];
  p = canonical(p);
  bool contracted = false;
  for (const Node& node : p.nodes) contracted |= node.op == Op::contract;
  if (!contracted) p.contractions.clear();
  recognise_reductions(p);
  verify(p);
  return p;
}

std::vector<Expr> reduce(std::string reduction_name, Axis axis, const std::vector<Expr>& lifted,
                         const std::vector<Expr>& identity, const Combine& combine,
                         std::optional<Expr> bound) {
  Graph& graph = *axis.graph;
  Program& p = graph.program;
  if (p.axes[axis.id].kind == AxisInfo::Kind::root) p.column_axis = axis.id;
  ReductionInfo info;
  info.name = std::move(reduction_name);
  info.axis = axis.id;
  std::vector<NodeId> operands;
  for (size_t i = 0; i < lifted.size(); ++i) {
    const DType dtype = lifted[i].dtype();
    info.state.push_back(dtype);
    operands.push_back(graph.bind(lifted[i], dtype));
    if (i >= identity.size())
      throw Error(ErrorCode::bad_data,
                  fmt::format("reduction '{}': fewer identities than states", info.name));
    const Node& constant = p.nodes[graph.bind(identity[i], dtype)];
    if (constant.op != Op::constant || constant.dtype != dtype)
      throw Error(ErrorCode::bad_data,
                  fmt::format("reduction '{}': identity {} must be a literal or constant of type {}",
                              info.name, i, name(dtype)));
    info.identity.push_back(constant.imm);
  }
  if (identity.size() > lifted.size())
    throw Error(ErrorCode::bad_data, fmt::format("reduction '{}': more identities than states", info.name));
  if (bound) info.bound = graph.bind(*bound, info.state[0]);
  Graph lambda;
  lambda.program.name = p.name + "." + info.name;
  lambda.is_lambda = true;
  std::vector<Expr> states;
  for (size_t i = 0; i < 2 * info.state.size(); ++i)
    states.push_back(lambda.add(Op::param, info.state[i % info.state.size()], {}, i));
  const std::span<const Expr> all(states);
  const auto results = combine(all.first(info.state.size()), all.subspan(info.state.size()));
  for (size_t i = 0; i < results.size(); ++i)
    info.combine.results.push_back(lambda.bind(results[i], info.state[std::min(i, info.state.size() - 1)]));
  info.combine.nodes = std::move(lambda.program.nodes);
  info.combine = canonical(info.combine);
  // Equal reductions are stored once.
  size_t which = 0;
  while (which < p.reductions.size() && !(p.reductions[which] == info)) ++which;
  if (which == p.reductions.size()) p.reductions.push_back(info);
  const Expr node = graph.add(Op::reduce, info.state[0], operands, which);
  std::vector<Expr> parts;
  for (size_t i = 0; i < info.state.size(); ++i)
    parts.push_back(graph.add(Op::get, info.state[i], {node.id()}, i));
  return parts;
}

Expr select_ordered(Split split, Expr weights, Expr threshold) {
  Graph& graph = *split.member.graph;
  const NodeId w = graph.bind(weights, DType::u32);
  return graph.add(Op::select_ordered, DType::u32, {w, graph.bind(threshold, DType::u32)}, split.member.id);
}

std::array<Expr, 4> philox(std::array<Expr, 4> counter, std::array<Expr, 2> key, int rounds) {
  Graph& graph = *detail::graph_of({counter[0], counter[1], counter[2], counter[3], key[0], key[1]});
  std::vector<NodeId> operands;
  for (const Expr& e : counter) operands.push_back(graph.bind(e, DType::u32));
  for (const Expr& e : key) operands.push_back(graph.bind(e, DType::u32));
  const NodeId node = graph.add(Op::philox, DType::u32, operands, static_cast<uint64_t>(rounds)).id();
  auto word = [&](uint64_t i) { return graph.add(Op::get, DType::u32, {node}, i); };
  return {word(0), word(1), word(2), word(3)};
}

}  // namespace gumtile
