#include <fmt/format.h>

#include "dsl/graph.h"
#include "gumtile/error.h"

namespace gumtile {

using detail::Graph;
using detail::graph_of;

DType Expr::dtype() const { return is_literal() ? DType::f32 : graph_->program.nodes[id_].dtype; }

namespace {

DType common_dtype(Op op, std::initializer_list<Expr> operands) {
  std::optional<DType> found;
  for (const Expr& e : operands) {
    if (e.is_literal()) continue;
    if (found && *found != e.dtype())
      throw Error(ErrorCode::bad_data, fmt::format("'{}' of {} and {}; cast one of them", name(op),
                                                   name(*found), name(e.dtype())));
    found = e.dtype();
  }
  return *found;
}

Expr unary(Op op, const Expr& a) {
  Graph* g = graph_of({a});
  return g->add(op, a.dtype(), {a.id()});
}

Expr binary(Op op, const Expr& a, const Expr& b) {
  Graph* g = graph_of({a, b});
  const DType dtype = common_dtype(op, {a, b});
  const NodeId left = g->bind(a, dtype);
  return g->add(op, dtype, {left, g->bind(b, dtype)});
}

Expr compare(Op op, const Expr& a, const Expr& b) {
  Graph* g = graph_of({a, b});
  const DType dtype = common_dtype(op, {a, b});
  const NodeId left = g->bind(a, dtype);
  return g->add(op, DType::pred, {left, g->bind(b, dtype)});
}

Expr choose(Op op, const Expr& condition, const Expr& a, const Expr& b) {
  Graph* g = graph_of({condition, a, b});
  const DType dtype = a.is_literal() && b.is_literal() ? DType::f32 : common_dtype(op, {a, b});
  const NodeId c = g->bind(condition, DType::pred);
  const NodeId left = g->bind(a, dtype);
  return g->add(op, dtype, {c, left, g->bind(b, dtype)});
}

}  // namespace

Expr operator+(Expr a, Expr b) { return binary(Op::add, a, b); }
Expr operator-(Expr a, Expr b) { return binary(Op::sub, a, b); }
Expr operator*(Expr a, Expr b) { return binary(Op::mul, a, b); }
Expr operator/(Expr a, Expr b) { return binary(Op::div, a, b); }
Expr operator&(Expr a, Expr b) { return binary(Op::bit_and, a, b); }
Expr operator|(Expr a, Expr b) { return binary(Op::bit_or, a, b); }
Expr operator^(Expr a, Expr b) { return binary(Op::bit_xor, a, b); }
Expr operator<<(Expr a, Expr b) { return binary(Op::shl, a, b); }
Expr operator>>(Expr a, Expr b) { return binary(Op::shr, a, b); }
Expr operator-(Expr a) { return unary(Op::neg, a); }
Expr operator~(Expr a) { return unary(Op::bit_not, a); }
Expr operator==(Expr a, Expr b) { return compare(Op::eq, a, b); }
Expr operator!=(Expr a, Expr b) { return compare(Op::ne, a, b); }
Expr operator<(Expr a, Expr b) { return compare(Op::lt, a, b); }
Expr operator<=(Expr a, Expr b) { return compare(Op::le, a, b); }
Expr operator>(Expr a, Expr b) { return compare(Op::lt, b, a); }
Expr operator>=(Expr a, Expr b) { return compare(Op::le, b, a); }
Expr min(Expr a, Expr b) { return binary(Op::min, a, b); }
Expr max(Expr a, Expr b) { return binary(Op::max, a, b); }
Expr mulhi(Expr a, Expr b) { return binary(Op::mulhi, a, b); }
Expr abs(Expr a) { return unary(Op::abs, a); }
Expr exp(Expr a) { return unary(Op::exp, a); }
Expr log(Expr a) { return unary(Op::log, a); }
Expr exp2(Expr a) { return unary(Op::exp2, a); }
Expr log2(Expr a) { return unary(Op::log2, a); }
Expr tanh(Expr a) { return unary(Op::tanh, a); }
Expr rint(Expr a) { return unary(Op::rint, a); }
Expr floor(Expr a) { return unary(Op::floor, a); }

Expr fma(Expr a, Expr b, Expr c) {
  Graph* g = graph_of({a, b, c});
  const NodeId x = g->bind(a, DType::f32);
  const NodeId y = g->bind(b, DType::f32);
  return g->add(Op::fma, DType::f32, {x, y, g->bind(c, DType::f32)});
}

Expr select(Expr condition, Expr if_true, Expr if_false) {
  return choose(Op::select, condition, if_true, if_false);
}
Expr branch(Expr condition, Expr rarely, Expr otherwise) {
  return choose(Op::branch, condition, rarely, otherwise);
}

Expr cast(Expr a, DType dtype) {
  Graph* g = graph_of({a});
  return a.dtype() == dtype ? a : g->add(Op::cast, dtype, {a.id()});
}
Expr bitcast(Expr a, DType dtype) {
  Graph* g = graph_of({a});
  return a.dtype() == dtype ? a : g->add(Op::bitcast, dtype, {a.id()});
}

}  // namespace gumtile
