#include <limits>

#include "gumtile/dsl_functions.h"

namespace gumtile {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

}  // namespace

Expr reduce_max(Expr x, Axis axis) {
  return reduce("max", axis, {x}, {-kInf},
                [](auto a, auto b) { return std::vector<Expr>{max(a[0], b[0])}; })[0];
}

Expr reduce_min(Expr x, Axis axis) {
  return reduce("min", axis, {x}, {kInf},
                [](auto a, auto b) { return std::vector<Expr>{min(a[0], b[0])}; })[0];
}

Expr reduce_sum(Expr x, Axis axis) {
  return reduce("sum", axis, {x}, {0}, [](auto a, auto b) { return std::vector<Expr>{a[0] + b[0]}; })[0];
}

Expr reduce_or(Expr bits, Axis axis) {
  return reduce("or", axis, {bits}, {0}, [](auto a, auto b) { return std::vector<Expr>{a[0] | b[0]}; })[0];
}

Pick argmax(Expr key, Expr index, Axis axis, const std::vector<Expr>& carry, std::optional<Expr> bound) {
  std::vector<Expr> lifted{key, index};
  std::vector<Expr> identity{-kInf, ~0u};
  for (const Expr& e : carry) {
    lifted.push_back(e);
    identity.push_back(0);
  }
  auto combine = [](std::span<const Expr> a, std::span<const Expr> b) {
    const Expr left_is_nan = a[0] != a[0];
    const Expr right_wins = (b[0] > a[0]) | ((b[0] == a[0]) & (b[1] < a[1])) | left_is_nan;
    std::vector<Expr> best;
    for (size_t i = 0; i < a.size(); ++i) best.push_back(select(right_wins, b[i], a[i]));
    return best;
  };
  std::vector<Expr> best = reduce("argmax", axis, lifted, identity, combine, bound);
  return {best[0], best[1], {best.begin() + 2, best.end()}};
}

Expr logsumexp(Expr x, Split split, std::optional<Expr> known_max) {
  const Expr group_max = known_max ? *known_max : reduce_max(x, split.member);
  // If the maximum is infinite, exp(x - max) would be NaN; the group then counts as one element at its
  // maximum.
  const Expr infinite = abs(group_max) == kInf;
  const Expr group_sum = reduce_sum(exp(x - group_max), split.member);
  auto combine = [](std::span<const Expr> a, std::span<const Expr> b) {
    const Expr top = max(a[0], b[0]);
    const Expr ratio = select(a[0] == b[0], 1.0f, exp(min(a[0], b[0]) - top));
    const Expr left_top = b[0] <= a[0];
    const Expr sum = fma(select(left_top, b[1], a[1]), ratio, select(left_top, a[1], b[1]));
    return std::vector<Expr>{top, sum};
  };
  const auto state =
      reduce("logsumexp", split.group, {group_max, select(infinite, 1.0f, group_sum)}, {-kInf, 0}, combine);
  return state[0] + log(state[1]);
}

Expr value_at(Expr x, Expr index, Axis column, Axis over) {
  const Expr masked = select(column.index() == index, x, -kInf);
  return reduce("value", over, {masked}, {-kInf},
                [](auto a, auto b) { return std::vector<Expr>{select(a[0] < b[0], b[0], a[0])}; })[0];
}

}  // namespace gumtile
