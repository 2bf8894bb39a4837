#include "gumtile/workload.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cstdlib>
#include <vector>

#include "ir/analysis.h"
#include "ir/reduction_kind.h"

namespace gumtile {
namespace {

constexpr int kColumns = 16;  // columns per group, and per block in a lane

constexpr std::array<std::string_view, 3> kBoundNames = {"none", "group", "element"};
constexpr std::array<std::string_view, 2> kJoinNames = {"records", "packed"};

bool is_transcendental(Op op) {
  switch (op) {
    case Op::exp:
    case Op::log:
    case Op::exp2:
    case Op::log2:
    case Op::tanh:
    case Op::div:
      return true;
    default:
      return false;
  }
}

int words_of(DType dtype) { return size_bytes(dtype) == 8 ? 2 : 1; }

std::string dtype_text(const std::optional<DType>& dtype) {
  return dtype ? std::string(name(*dtype)) : std::string("none");
}

/// The value of "KEY=VALUE", which must be the next part of `text`. Removes that part.
std::optional<std::string_view> take(std::string_view& text, std::string_view key) {
  const size_t end = std::min(text.find(','), text.size());
  const std::string_view part = text.substr(0, end);
  if (part.size() <= key.size() || !part.starts_with(key) || part[key.size()] != '=') return std::nullopt;
  text.remove_prefix(std::min(end + 1, text.size()));
  return part.substr(key.size() + 1);
}

bool take_dtype(std::string_view& text, std::string_view key, std::optional<DType>& dtype) {
  const std::optional<std::string_view> value = take(text, key);
  if (!value) return false;
  if (*value == "none") return true;
  dtype = parse_dtype(*value);
  return dtype.has_value();
}

bool take_count(std::string_view& text, std::string_view key, int& count) {
  const std::optional<std::string_view> value = take(text, key);
  if (!value || value->starts_with('-') || (value->starts_with('0') && *value != "0")) return false;
  const auto [end, error] = std::from_chars(value->data(), value->data() + value->size(), count);
  return error == std::errc{} && end == value->data() + value->size();
}

template <typename Enum, size_t kCount>
bool take_name(std::string_view& text, std::string_view key,
               const std::array<std::string_view, kCount>& names, Enum& which) {
  const std::optional<std::string_view> value = take(text, key);
  for (size_t i = 0; value && i < kCount; ++i)
    if (names[i] == *value) {
      which = static_cast<Enum>(i);
      return true;
    }
  return false;
}

}  // namespace

std::string Workload::str() const {
  return fmt::format(
      "left={},right={},operands={},sweeps={},join={},words={},bound={},loads={},stores={},transcendental={}",
      dtype_text(left), dtype_text(right), dtype_text(operands), sweeps,
      kJoinNames[static_cast<size_t>(join)], record_words, kBoundNames[static_cast<size_t>(bound)],
      loaded_bytes, stored_bytes, transcendental);
}

std::optional<Workload> Workload::parse(std::string_view text) {
  Workload w;
  const bool read = !text.ends_with(',') && take_dtype(text, "left", w.left) &&
                    take_dtype(text, "right", w.right) && take_dtype(text, "operands", w.operands) &&
                    take_count(text, "sweeps", w.sweeps) && take_name(text, "join", kJoinNames, w.join) &&
                    take_count(text, "words", w.record_words) &&
                    take_name(text, "bound", kBoundNames, w.bound) &&
                    take_count(text, "loads", w.loaded_bytes) && take_count(text, "stores", w.stored_bytes) &&
                    take_count(text, "transcendental", w.transcendental) && text.empty();
  return read ? std::optional(w) : std::nullopt;
}

Workload workload_of(const Program& program) {
  const ProgramAnalysis analysis = analyze(program);
  Workload w;
  if (analysis.contraction != kNone) {
    const ContractionInfo& product = program.contractions[analysis.contraction];
    w.left = program.inputs[product.left].dtype;
    w.right = program.inputs[product.right].dtype;
    w.operands = product.operand_dtype;
  }
  bool packed = true;
  for (const NodeId id : analysis.sweep_reductions) {
    const ReductionInfo& reduction = program.reductions[program.nodes[id].imm];
    packed &= packing_of(reduction) != Packing::none;
    for (const DType dtype : reduction.state) w.record_words += words_of(dtype);
    if (reduction.bound == kNone) continue;
    const bool of_group = reduction_level(program, reduction) == Level::group;
    w.bound =
        of_group && w.bound != Workload::Bound::element ? Workload::Bound::group : Workload::Bound::element;
  }
  if (packed) w.join = Join::packed;
  for (NodeId id = 0; id < program.nodes.size(); ++id) {
    const Node& node = program.nodes[id];
    const Level level = analysis.nodes[id].level;
    if (level != Level::element && level != Level::group) continue;
    if (is_transcendental(node.op)) w.transcendental += level == Level::element ? kColumns : 1;
    if (node.op == Op::load && level == Level::element)
      w.loaded_bytes += static_cast<int>(size_bytes(program.inputs[node.imm].dtype));
  }
  for (const OutputInfo& output : program.outputs)
    if (output.kind == OutputInfo::Kind::tile) w.stored_bytes += static_cast<int>(size_bytes(output.dtype));
  return w;
}

std::optional<int> distance(const Workload& a, const Workload& b) {
  if (a.left != b.left || a.right != b.right || a.operands != b.operands || a.sweeps != b.sweeps ||
      a.bound != b.bound)
    return std::nullopt;
  // A different join means a different epilogue, and weighs the most. After it come a stored byte, a word of
  // a record, a loaded byte, and an operation.
  const auto apart = [](int x, int y, int weight) { return std::abs(x - y) * weight; };
  return (a.join == b.join ? 0 : 1000) + apart(a.stored_bytes, b.stored_bytes, 100) +
         apart(a.record_words, b.record_words, 20) + apart(a.loaded_bytes, b.loaded_bytes, 4) +
         apart(a.transcendental, b.transcendental, 1);
}

}  // namespace gumtile
