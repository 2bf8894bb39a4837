#include <numbers>

#include "gumtile/dsl_functions.h"

namespace gumtile {
namespace {

constexpr float kLn2 = std::numbers::ln2_v<float>;
constexpr float kLog2e = std::numbers::log2e_v<float>;

/// The key of every per-column and per-group call (the first digits of pi, as in Random123's known answers).
std::array<Expr, 2> fixed_key() { return {0xA4093822u, 0x299F31D0u}; }

}  // namespace

Expr gumbel(Expr hi, Expr lo) {
  // u is the small side of the uniform variate, so that precision is highest where winners are decided:
  // u = (hi * 2^32 + lo + 0.5) / 2^64, or (hi + 0.5) / 2^32 if hi >= 2^16 makes lo irrelevant in f32.
  const Expr u_short = (cast(hi, DType::f32) + 0.5f) * 0x1p-32f;
  const Expr u_long = fma(cast(hi, DType::f32), 0x1p-32f, (cast(lo, DType::f32) + 0.5f) * 0x1p-64f);
  const Expr u = branch(hi < 65536, u_long, u_short);
  // E = -ln(1 - u): a series for small u, otherwise the logarithm of 1 - u, which is built from the
  // complement of hi.
  const Expr series = u * fma(u, fma(u, fma(u, 0.25f, 1.0f / 3.0f), 0.5f), 1.0f);
  const Expr v = (cast(~hi, DType::f32) + 0.5f) * 0x1p-32f;
  const Expr e = select(u < 0x1p-6f, series, log2(v) * -kLn2);
  return log2(e) * -kLn2;
}

Expr gumbel_bound(Expr hi) {
  // E = -ln(1 - u) >= u, so G = -ln(E) <= -ln(u), and u >= hi / 2^32. A float's bits, read as an integer, are
  // 2^23 times its biased exponent plus its mantissa: b / 2^23 - 127 <= log2(x). The last term is more than
  // the errors of the backends' logarithms and of the roundings here; a hi of 0 gives 110.
  const Expr bits = bitcast(cast(hi, DType::f32), DType::u32);
  return fma(cast(bits, DType::f32), -kLn2 * 0x1p-23f, (127.0f + 32.0f) * kLn2 + 1e-3f);
}

std::array<Expr, 3> random_stream(Expr seed, Expr offset, uint32_t draw) {
  auto low = [](const Expr& x) { return cast(x, DType::u32); };
  auto high = [](const Expr& x) { return cast(x >> 32, DType::u32); };
  const auto words = philox({low(offset), high(offset), draw, 0x474D5431u}, {low(seed), high(seed)});
  return {words[0], words[1], words[2]};
}

TokenNoise gumbel_per_token(const std::array<Expr, 3>& stream, Axis column) {
  // Four columns {16a+2q, 16a+2q+1, 16a+8+2q, 16a+8+2q+1} share one call: those that one lane holds of two
  // adjacent m16n8 tensor core tiles if columns are their N side.
  const Expr v = column.index();
  const Expr counter = (v >> 4) * 4 + ((v >> 1) & 3);
  const Expr word = ((v >> 3) & 1) * 2 + (v & 1);
  auto pick = [&](const std::array<Expr, 4>& w) {
    return select((word & 2) == 0, select((word & 1) == 0, w[0], w[1]), select((word & 1) == 0, w[2], w[3]));
  };
  const Expr hi = pick(philox({counter, stream[0], stream[1], stream[2]}, fixed_key()));
  const Expr lo = pick(philox({counter | 0x80000000u, stream[0], stream[1], stream[2]}, fixed_key()));
  return {gumbel(hi, lo), gumbel_bound(hi)};
}

GroupNoise gumbel_per_group(const std::array<Expr, 3>& stream, Axis group) {
  const Expr g = group.index();
  const Expr counter = (g >> 3) * 4 + (g & 3);
  const Expr second = (g & 4) != 0;  // two groups share a call
  const auto w = philox({counter | 0x40000000u, stream[0], stream[1], stream[2]}, fixed_key());
  const auto t = philox({counter | 0xC0000000u, stream[0], stream[1], stream[2]}, fixed_key());
  const Expr hi = select(second, w[2], w[0]);
  return {gumbel(hi, select(second, t[2], t[0])), gumbel_bound(hi), select(second, w[3], w[1])};
}

Expr softmax_weights(Expr x, Expr group_max) {
  return cast(rint(exp2((x - group_max) * kLog2e) * 0x1p27f), DType::u32);
}

}  // namespace gumtile
