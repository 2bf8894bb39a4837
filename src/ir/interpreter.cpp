#include "gumtile/interpreter.h"

#include <fmt/format.h>

#include <bit>
#include <cstring>

#include "gumtile/error.h"
#include "ir/analysis.h"
#include "ir/scalar.h"
#include "support/float_environment.h"

namespace gumtile {
namespace {

constexpr int64_t kChunk = 1024;  // columns evaluated at a time; a multiple of every split's block

uint64_t load_bits(DType dtype, const void* data, int64_t index) {
  uint64_t bits = 0;
  std::memcpy(&bits, static_cast<const char*>(data) + index * static_cast<int64_t>(size_bytes(dtype)),
              size_bytes(dtype));
  return is_float(dtype) ? scalar::from_float(float_from_bits(dtype, static_cast<uint32_t>(bits))) : bits;
}

float load_float(DType dtype, const void* data, int64_t index) {
  return scalar::as_float(load_bits(dtype, data, index));
}

void store_bits(DType dtype, void* data, int64_t index, uint64_t bits) {
  if (is_float(dtype)) bits = bits_from_float(dtype, scalar::as_float(bits));
  std::memcpy(static_cast<char*>(data) + index * static_cast<int64_t>(size_bytes(dtype)), &bits,
              size_bytes(dtype));
}

float round_operand(DType dtype, float value) {
  return float_from_bits(dtype, bits_from_float(dtype, value));
}

#if defined(__x86_64__) && defined(__gnu_linux__) && !defined(__SANITIZE_THREAD__) && \
    !defined(__SANITIZE_ADDRESS__)
__attribute__((target_clones("avx512f", "avx2,fma", "default")))
#endif
double
dot(const float* a, const float* b, int64_t n) {
  constexpr int kLanes = 16;
  double sums[kLanes] = {};
  int64_t k = 0;
  for (; k + kLanes <= n; k += kLanes)
    for (int lane = 0; lane < kLanes; ++lane)
      sums[lane] += static_cast<double>(a[k + lane]) * static_cast<double>(b[k + lane]);
  double total = 0;
  for (; k < n; ++k) total += static_cast<double>(a[k]) * static_cast<double>(b[k]);
  for (double sum : sums) total += sum;
  return total;
}

using State = std::vector<uint64_t>;
using Values = std::vector<std::vector<uint64_t>>;  // a node's values: [result][position]

class Interpreter {
 public:
  Interpreter(const Program& program, const Extents& extents, std::span<const BoundInput> inputs,
              std::span<const BoundOutput> outputs, Observations* observe)
      : p_(program),
        a_(analyze(program)),
        extents_(extents),
        inputs_(inputs),
        outputs_(outputs),
        observe_(observe) {
    group_bits_ = std::popcount(a_.member_mask);
    offsets_ = member_offsets(a_.member_mask);
  }

  void run() {
    check_bindings();
    prepare_rows();
    if (observe_)
      for (auto& [node, values] : *observe_)
        values.assign(static_cast<size_t>(extents_.rows * positions(a_.nodes[node].level)), 0);
    for (int64_t begin = 0; begin < extents_.columns; begin += kChunk) {
      begin_ = begin;
      count_ = std::min(kChunk, extents_.columns - begin);
      load_weights();
      for (row_ = 0; row_ < extents_.rows; ++row_)
        if (active_[static_cast<size_t>(row_)]) sweep_chunk();
    }
    for (row_ = 0; row_ < extents_.rows; ++row_)
      if (active_[static_cast<size_t>(row_)]) finish_row();
    for (size_t i = 0; i < p_.outputs.size(); ++i)
      if (p_.outputs[i].kind == OutputInfo::Kind::any && outputs_[i].data)
        store_bits(p_.outputs[i].dtype, outputs_[i].data, 0, any_[i]);
  }

 private:
  int64_t positions(Level level) const {
    return level == Level::group ? (extents_.columns + kChunk - 1) / kChunk * (kChunk >> group_bits_)
                                 : extents_.columns;
  }

  void check_bindings() const {
    if (inputs_.size() != p_.inputs.size() || outputs_.size() != p_.outputs.size())
      throw Error(ErrorCode::bad_data,
                  fmt::format("Program '{}' takes {} inputs and {} outputs, {} and {} are bound", p_.name,
                              p_.inputs.size(), p_.outputs.size(), inputs_.size(), outputs_.size()));
    for (size_t i = 0; i < p_.inputs.size(); ++i)
      if (!inputs_[i].data && !p_.inputs[i].optional && extents_.rows > 0)
        throw Error(ErrorCode::bad_data, fmt::format("input '{}' is not bound", p_.inputs[i].name));
  }

  /// Computes row-level values and the guard, and initialises the states.
  void prepare_rows() {
    const auto rows = static_cast<size_t>(extents_.rows);
    row_values_.resize(rows);
    states_.resize(rows);
    active_.assign(rows, true);
    any_.assign(p_.outputs.size(), 0);
    values_.resize(p_.nodes.size());
    std::vector<NodeId> order;  // the guard's own nodes first: for an inactive row nothing else is read
    if (p_.row_guard != kNone) collect(p_.row_guard, order);
    const size_t guard_nodes = order.size();
    for (NodeId id = 0; id < p_.nodes.size(); ++id)
      if (a_.nodes[id].level == Level::row && std::find(order.begin(), order.end(), id) == order.end())
        order.push_back(id);
    for (row_ = 0; row_ < extents_.rows; ++row_) {
      const auto r = static_cast<size_t>(row_);
      for (size_t i = 0; i < order.size() && active_[r]; ++i) {
        evaluate(order[i], 1);
        if (i + 1 == guard_nodes) active_[r] = values_[p_.row_guard][0][0] != 0;
      }
      row_values_[r].resize(p_.nodes.size());
      for (NodeId id : order) row_values_[r][id] = values_[id];
      for (NodeId id : a_.sweep_reductions) states_[r].push_back(p_.reductions[p_.nodes[id].imm].identity);
    }
  }

  void collect(NodeId id, std::vector<NodeId>& order) const {
    if (std::find(order.begin(), order.end(), id) != order.end()) return;
    for (NodeId operand : p_.nodes[id].operands) collect(operand, order);
    order.push_back(id);
  }

  void load_weights() {
    if (a_.contraction == kNone) return;
    const ContractionInfo& c = p_.contractions[a_.contraction];
    const int64_t k = extents_.contracted;
    // The row of the left input that is used as row r; negative: none, and the operand is zeros.
    const auto left_row = [&](int64_t r) {
      const void* index = c.left_index == kNone ? nullptr : inputs_[c.left_index].data;
      return index ? int64_t{static_cast<const int32_t*>(index)[r]} : r;
    };
    const auto read = [&](uint32_t input, int64_t row, float* out) {
      const BoundInput& bound = inputs_[input];
      for (int64_t i = 0; i < k; ++i)
        out[i] = round_operand(c.operand_dtype,
                               load_float(p_.inputs[input].dtype, bound.data, row * bound.row_stride + i));
    };
    weights_.resize(static_cast<size_t>(count_ * k));
    for (int64_t v = 0; v < count_; ++v) read(c.right, begin_ + v, &weights_[static_cast<size_t>(v * k)]);
    if (hidden_.empty()) {
      hidden_.resize(static_cast<size_t>(extents_.rows * k));
      for (int64_t r = 0; r < extents_.rows; ++r)
        if (active_[static_cast<size_t>(r)] && left_row(r) >= 0)
          read(c.left, left_row(r), &hidden_[static_cast<size_t>(r * k)]);
    }
  }

  void sweep_chunk() {
    const auto r = static_cast<size_t>(row_);
    const int64_t groups = kChunk >> group_bits_;
    for (NodeId id = 0; id < p_.nodes.size(); ++id) {
      switch (a_.nodes[id].level) {
        case Level::row:
          values_[id] = row_values_[r][id];
          break;
        case Level::group:
          evaluate(id, groups);
          break;
        case Level::element:
          evaluate(id, kChunk);
          break;
        case Level::final:
          break;
      }
    }
    for (size_t i = 0; i < a_.sweep_reductions.size(); ++i) {
      const Node& node = p_.nodes[a_.sweep_reductions[i]];
      const ReductionInfo& reduction = p_.reductions[node.imm];
      const bool grouped = reduction_level(p_, reduction) == Level::group;
      const int64_t n = grouped ? groups : count_;
      for (int64_t position = 0; position < n; ++position)
        if (!grouped || group_base(position) < count_)
          fold(reduction, states_[r][i], lifted(node, reduction_level(p_, reduction), position));
    }
    store_tiles();
    if (observe_) record();
  }

  void record() {
    for (auto& [node, out] : *observe_) {
      const bool grouped = a_.nodes[node].level == Level::group;
      const int64_t n = grouped ? kChunk >> group_bits_ : count_;
      const int64_t at = row_ * positions(a_.nodes[node].level) + (grouped ? begin_ >> group_bits_ : begin_);
      for (int64_t i = 0; i < n; ++i)
        out[static_cast<size_t>(at + i)] = static_cast<uint32_t>(values_[node][0][static_cast<size_t>(i)]);
    }
  }

  void store_tiles() {
    for (size_t i = 0; i < p_.outputs.size(); ++i) {
      const OutputInfo& output = p_.outputs[i];
      if (output.kind != OutputInfo::Kind::tile || !outputs_[i].data) continue;
      for (int64_t v = 0; v < count_; ++v)
        store_bits(output.dtype, outputs_[i].data, row_ * outputs_[i].row_stride + begin_ + v,
                   value(output.node, 0, Level::element, v));
    }
  }

  void finish_row() {
    const auto r = static_cast<size_t>(row_);
    size_t next = 0;
    for (NodeId id = 0; id < p_.nodes.size(); ++id) {
      if (a_.nodes[id].level == Level::row) values_[id] = row_values_[r][id];
      if (a_.nodes[id].level != Level::final) continue;
      if (p_.nodes[id].op == Op::reduce) {
        const State& state = states_[r][next++];
        values_[id].assign(state.size(), {});
        for (size_t i = 0; i < state.size(); ++i) values_[id][i] = {state[i]};
      } else {
        evaluate(id, 1);
      }
    }
    for (size_t i = 0; i < p_.outputs.size(); ++i) {
      const OutputInfo& output = p_.outputs[i];
      if (output.kind == OutputInfo::Kind::tile) continue;
      const uint64_t bits = values_[output.node][0][0];
      if (output.kind == OutputInfo::Kind::any) {
        any_[i] |= bits;
        continue;
      }
      const int64_t position = output.position == kNone ? row_
                                                        : scalar::as_signed(p_.nodes[output.position].dtype,
                                                                            values_[output.position][0][0]);
      if (outputs_[i].data && position >= 0) store_bits(output.dtype, outputs_[i].data, position, bits);
    }
  }

  // ---- one node over `n` positions ----

  /// The first column of a group, both numbered within the chunk.
  int64_t group_base(int64_t group) const {
    int64_t base = 0;
    int bit = 0;
    for (int at = 0; at < 32; ++at)
      if (!((a_.member_mask >> at) & 1)) base |= ((group >> bit++) & 1) << at;
    return base;
  }
  int64_t group_of(int64_t column) const {
    int64_t group = 0;
    int bit = 0;
    for (int at = 0; at < 32; ++at)
      if (!((a_.member_mask >> at) & 1)) group |= ((column >> at) & 1) << bit++;
    return group;
  }

  /// Result `which` of node `id`, as read by a node of `level` at `position`.
  uint64_t value(NodeId id, size_t which, Level level, int64_t position) const {
    const std::vector<uint64_t>& v = values_[id][which];
    switch (a_.nodes[id].level) {
      case Level::row:
      case Level::final:
        return v[0];
      case Level::group:
        return v[static_cast<size_t>(level == Level::element ? group_of(position) : position)];
      case Level::element:
        return v[static_cast<size_t>(position)];
    }
    return 0;
  }

  State lifted(const Node& node, Level level, int64_t position) const {
    State state;
    for (NodeId operand : node.operands) state.push_back(value(operand, 0, level, position));
    return state;
  }

  void fold(const ReductionInfo& reduction, State& state, const State& next) const {
    const Lambda& lambda = reduction.combine;
    std::vector<uint64_t>& v = lambda_values_;
    v.resize(lambda.nodes.size());
    for (size_t i = 0; i < lambda.nodes.size(); ++i) {
      const Node& node = lambda.nodes[i];
      if (node.op == Op::param) {
        v[i] = node.imm < state.size() ? state[node.imm] : next[node.imm - state.size()];
      } else if (node.op == Op::constant) {
        v[i] = node.imm;
      } else {
        auto operand = [&](size_t k) { return k < node.operands.size() ? v[node.operands[k]] : 0; };
        v[i] = scalar::evaluate(node.op, lambda.nodes[node.operands[0]].dtype, node.dtype, operand(0),
                                operand(1), operand(2));
      }
    }
    for (size_t i = 0; i < state.size(); ++i) state[i] = v[lambda.results[i]];
  }

  void evaluate(NodeId id, int64_t n) {
    const Node& node = p_.nodes[id];
    const Level level = a_.nodes[id].level;
    Values& out = values_[id];
    out.resize(result_count(p_, node));
    for (auto& result : out) result.resize(static_cast<size_t>(n));
    for (int64_t i = 0; i < n; ++i) {
      const auto at = static_cast<size_t>(i);
      auto operand = [&](size_t k) {
        return k < node.operands.size() ? value(node.operands[k], 0, level, i) : uint64_t{0};
      };
      switch (node.op) {
        case Op::constant:
          out[0][at] = node.imm;
          break;
        case Op::index:
          if (node.imm == p_.row_axis)
            out[0][at] = static_cast<uint64_t>(row_);
          else
            out[0][at] =
                static_cast<uint64_t>(i + (node.imm == p_.column_axis ? begin_ : begin_ >> group_bits_));
          break;
        case Op::load:
          out[0][at] = load(node, level, i);
          break;
        case Op::philox: {
          std::array<uint32_t, 6> w{};
          for (size_t k = 0; k < 6; ++k) w[k] = static_cast<uint32_t>(operand(k));
          const auto words =
              scalar::philox({w[0], w[1], w[2], w[3]}, {w[4], w[5]}, static_cast<int>(node.imm));
          for (size_t k = 0; k < 4; ++k) out[k][at] = words[k];
          break;
        }
        case Op::get:
          out[0][at] = value(node.operands[0], node.imm, level, i);
          break;
        case Op::contract:
          if (i < count_) {
            const int64_t k = extents_.contracted;
            out[0][at] = scalar::from_float(static_cast<float>(
                dot(&hidden_[static_cast<size_t>(row_ * k)], &weights_[static_cast<size_t>(i * k)], k)));
          }
          break;
        case Op::reduce: {  // over the members of group i
          const ReductionInfo& reduction = p_.reductions[node.imm];
          State state = reduction.identity;
          const int64_t base = group_base(i);
          for (uint32_t offset : offsets_)
            if (base + offset < count_) fold(reduction, state, lifted(node, Level::element, base + offset));
          for (size_t k = 0; k < state.size(); ++k) out[k][at] = state[k];
          break;
        }
        case Op::select_ordered: {
          const int64_t base = group_base(i);
          uint64_t sum = 0;
          int64_t chosen = base + offsets_.back();
          for (uint32_t offset : offsets_) {
            if (base + offset >= count_) break;
            sum = static_cast<uint32_t>(sum + value(node.operands[0], 0, Level::element, base + offset));
            if (sum > operand(1)) {
              chosen = base + offset;
              break;
            }
          }
          out[0][at] = static_cast<uint64_t>(begin_ + chosen);
          break;
        }
        default: {
          const size_t typed = node.op == Op::select || node.op == Op::branch ? 1 : 0;
          out[0][at] = scalar::evaluate(node.op, p_.nodes[node.operands[typed]].dtype, node.dtype, operand(0),
                                        operand(1), operand(2));
          break;
        }
      }
    }
  }

  uint64_t load(const Node& node, Level level, int64_t position) const {
    const InputInfo& input = p_.inputs[node.imm];
    const BoundInput& bound = inputs_[node.imm];
    if (!bound.data) return value(node.operands.back(), 0, level, position);
    if (level == Level::element && position >= count_) return 0;  // nothing is read for a column past the end
    int64_t index = 0;
    for (size_t axis = 0; axis < input.axes.size(); ++axis) {
      const DType type = p_.nodes[node.operands[axis]].dtype;
      const int64_t at = scalar::as_signed(type, value(node.operands[axis], 0, level, position));
      index = axis == 0 ? at : index * bound.row_stride + at;
    }
    return load_bits(input.dtype, bound.data, index);
  }

  const Program& p_;
  const ProgramAnalysis a_;
  const Extents extents_;
  const std::span<const BoundInput> inputs_;
  const std::span<const BoundOutput> outputs_;
  Observations* observe_;
  int group_bits_ = 0;
  std::vector<uint32_t> offsets_;

  int64_t row_ = 0;
  int64_t begin_ = 0;  ///< first column of the chunk
  int64_t count_ = 0;  ///< columns of the chunk that exist
  std::vector<float> weights_;
  std::vector<float> hidden_;
  std::vector<Values> values_;
  std::vector<std::vector<Values>> row_values_;
  std::vector<std::vector<State>> states_;
  std::vector<bool> active_;
  std::vector<uint64_t> any_;
  mutable std::vector<uint64_t> lambda_values_;
};

}  // namespace

void interpret(const Program& program, const Extents& extents, std::span<const BoundInput> inputs,
               std::span<const BoundOutput> outputs, Observations* observe) {
  const DefaultFloatEnvironment default_arithmetic;
  Interpreter(program, extents, inputs, outputs, observe).run();
}

}  // namespace gumtile
