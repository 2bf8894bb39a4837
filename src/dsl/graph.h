#pragma once

#include <map>

#include "gumtile/dsl.h"

namespace gumtile::detail {

/// The nodes of a Program or of a combine under construction. Equal nodes are created once.
struct Graph {
  Program program;  ///< a combine uses only `nodes`
  std::map<std::tuple<Op, DType, std::vector<NodeId>, uint64_t>, NodeId> known;
  bool is_lambda = false;

  Expr add(Op op, DType dtype, std::vector<NodeId> operands = {}, uint64_t imm = 0);
  /// The node of `e` in this graph; a literal becomes a constant of type `dtype`.
  NodeId bind(const Expr& e, DType dtype);
};

/// The bits of `value` as `dtype`. Throws Error(bad_data) if it does not fit.
uint64_t constant_bits(DType dtype, double value);

/// The graph of the first operand that is not a literal. Throws Error(bad_data) if all are literals.
Graph* graph_of(std::initializer_list<Expr> operands);

}  // namespace gumtile::detail
