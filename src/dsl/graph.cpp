#include "dsl/graph.h"

#include <fmt/format.h>

#include <bit>
#include <cmath>
#include <limits>

#include "gumtile/error.h"

namespace gumtile::detail {

Expr Graph::add(Op op, DType dtype, std::vector<NodeId> operands, uint64_t imm) {
  const auto key = std::make_tuple(op, dtype, operands, imm);
  // Reduce nodes are equal if their operands are and they have the same reduction (see `reduce`).
  if (auto it = known.find(key); it != known.end()) return {this, it->second};
  const auto id = static_cast<NodeId>(program.nodes.size());
  program.nodes.push_back({op, dtype, std::move(operands), imm});
  known.emplace(key, id);
  return {this, id};
}

NodeId Graph::bind(const Expr& e, DType dtype) {
  if (e.is_literal()) return add(Op::constant, dtype, {}, constant_bits(dtype, e.literal())).id();
  if (e.graph() != this)
    throw Error(
        ErrorCode::bad_data,
        fmt::format("Program '{}': an Expr of another builder (or of a combine's outside) is used; a combine "
                    "may use only its two states and literals",
                    program.name));
  return e.id();
}

uint64_t constant_bits(DType dtype, double value) {
  const bool integral = value == std::floor(value);
  auto bad = [&]() -> uint64_t {
    throw Error(ErrorCode::bad_data, fmt::format("the literal {} does not fit {}", value, name(dtype)));
  };
  switch (dtype) {
    case DType::pred:
      return value == 0 || value == 1 ? static_cast<uint64_t>(value) : bad();
    case DType::i32:
      if (!integral || value < -2147483648.0 || value > 2147483647.0) return bad();
      return static_cast<uint32_t>(static_cast<int32_t>(value));
    case DType::u32:
      return integral && value >= 0 && value <= 4294967295.0 ? static_cast<uint64_t>(value) : bad();
    case DType::i64:
      if (!integral || std::fabs(value) > 9007199254740992.0) return bad();
      return static_cast<uint64_t>(static_cast<int64_t>(value));
    case DType::u64:
      return integral && value >= 0 && value <= 9007199254740992.0 ? static_cast<uint64_t>(value) : bad();
    default:  // floats
      if (std::isfinite(value) && std::fabs(value) > std::numeric_limits<float>::max()) return bad();
      return std::bit_cast<uint32_t>(static_cast<float>(value));
  }
}

Graph* graph_of(std::initializer_list<Expr> operands) {
  for (const Expr& e : operands)
    if (!e.is_literal()) return e.graph();
  throw Error(ErrorCode::bad_data, "an operation on literals only; compute it in C++, or make a constant()");
}

}  // namespace gumtile::detail
