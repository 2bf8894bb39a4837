#include <limits>
#include <numbers>

#include "gumtile/dsl_functions.h"
#include "head/fragments.h"

// The draw: the token with the largest scaled logit plus Gumbel noise.

namespace gumtile::head {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kLn2 = std::numbers::ln2_v<float>;

using Stream = std::array<Expr, 3>;

void choose_per_token(HeadBuilder& h, const Stream& stream) {
  const Expr scaled = h.scaled();
  const TokenNoise noise = gumbel_per_token(stream, h.vocab);
  const Expr key = select(h.greedy(), scaled, scaled + noise.gumbel);
  // Rounding is monotonic, and the bound of the noise is positive, so that the bound is valid for greedy
  // rows, too. A bound for a whole group (its largest logit with its largest noise) is cheaper but dismisses
  // too little: on an H100 at 256 rows of 151936 x 4096 it took 589 us instead of 526.
  const Expr bound = scaled + noise.bound;
  const Pick best = argmax(key, h.vocab.index(), h.vocab, h.carries(), bound);
  h.choose(best.key, best.index, best.carry);
}

void choose_grouped(HeadBuilder& h, const Stream& stream) {
  const Expr scaled = h.scaled();
  const Expr group_max = h.group_max();
  const GroupNoise noise = gumbel_per_group(stream, h.split.group);
  const Expr weights = softmax_weights(scaled, group_max);
  const Expr sum = reduce_sum(weights, h.split.member);
  // Rows without noise, and groups for which exp(inf - inf) would be NaN, take the first of their largest
  // members.
  const Expr plain = h.greedy() | (group_max == kInf);
  const Expr first_largest = select_ordered(h.split, cast(scaled == group_max, DType::u32), 0);
  const Expr drawn = select_ordered(h.split, weights, mulhi(noise.selection, sum));
  const Expr token = branch(plain, first_largest, drawn);
  const Expr key =
      branch(plain, group_max, (group_max + (log2(cast(sum, DType::f32)) - 27.0f) * kLn2) + noise.gumbel);
  // The bound is the key in the same order of operations, with the logarithm replaced by more than any
  // backend's log2(2^31) returns, and the noise by its own bound. Rounding is monotonic, so that it is never
  // below the key. The terms that are added are never negative, so that it is valid for greedy rows, too.
  const Expr bound = (group_max + (31.0001f - 27.0f) * kLn2) + noise.bound;
  std::vector<Expr> carried;
  for (const Expr& value : h.carries()) carried.push_back(value_at(value, token, h.vocab, h.split.member));
  const Pick best = argmax(key, token, h.split.group, carried, bound);
  h.choose(best.key, best.index, best.carry);
}

}  // namespace

void build_gumbel(HeadBuilder& h) {
  const Expr seed = h.input("seed");
  const Stream stream = random_stream(seed, h.input("offset"), 0);
  if (h.options.noise == NoiseScheme::grouped)
    choose_grouped(h, stream);
  else
    choose_per_token(h, stream);
}

}  // namespace gumtile::head
