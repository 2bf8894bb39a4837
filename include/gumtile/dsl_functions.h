#pragma once

#include <array>
#include <optional>
#include <vector>

#include "gumtile/dsl.h"

/// The function library of the DSL. Everything here is built from the primitives of gumtile/dsl.h, as your
/// own functions can be.
namespace gumtile {

// ---- Reductions as monoids. `axis` is the column axis, a group axis or a member axis.
// -----------------------

Expr reduce_max(Expr x, Axis axis);    ///< NaN if any is; -inf if empty
Expr reduce_min(Expr x, Axis axis);    ///< NaN if any is; +inf if empty
Expr reduce_sum(Expr x, Axis axis);    ///< f32 or u32; 0 if empty
Expr reduce_or(Expr bits, Axis axis);  ///< u32

/// The largest `key` with its `index` (u32) and the carried values. Ties go to the lowest index; NaN never
/// wins.
struct Pick {
  Expr key;
  Expr index;
  std::vector<Expr> carry;
};
/// With `bound` (>= key, same level), elements whose bound is below the best key so far may be skipped.
Pick argmax(Expr key, Expr index, Axis axis, const std::vector<Expr>& carry = {},
            std::optional<Expr> bound = std::nullopt);

/// log(sum(exp(x))) over all columns (f32), computed by groups with one exponential per column. `group_max`:
/// the largest x of each group, if it is already computed.
Expr logsumexp(Expr x, Split split, std::optional<Expr> group_max = std::nullopt);

/// The value of `x` at column `index`, which must be exactly one of the columns that `over` covers.
Expr value_at(Expr x, Expr index, Axis column, Axis over);

// ---- Random numbers (docs/semantics.md)
// ---------------------------------------------------------------------

/// The standard Gumbel variate of a 64-bit word. It depends on `lo` only if hi < 2^16. Finite for every
/// input.
Expr gumbel(Expr hi, Expr lo);

/// Positive, and no less than `gumbel(hi, lo)` as any backend computes it, for all lo. It needs no logarithm,
/// and is at most 0.09 more where it matters (hi from 64 to 2^28).
Expr gumbel_bound(Expr hi);

/// The stream of one (request, position): words S0..S2. seed, offset: u64; draw: u32.
std::array<Expr, 3> random_stream(Expr seed, Expr offset, uint32_t draw);

/// What scheme 1 draws per column.
struct TokenNoise {
  Expr gumbel;  ///< f32
  Expr bound;   ///< f32, no less than `gumbel` and cheaper
};
/// Noise scheme 1: one Gumbel variate per column.
TokenNoise gumbel_per_token(const std::array<Expr, 3>& stream, Axis column);

/// What scheme 2 draws per group of 16 columns.
struct GroupNoise {
  Expr gumbel;     ///< f32, one per group
  Expr bound;      ///< f32, no less than `gumbel` and cheaper
  Expr selection;  ///< u32, picks the member
};
/// Noise scheme 2: one Gumbel variate and one selection word per group of a split with mask 0x39.
GroupNoise gumbel_per_group(const std::array<Expr, 3>& stream, Axis group);

/// The members' weights in their group's softmax as integers: rint(exp2((x - max) * log2(e)) * 2^27), at most
/// 2^27 each.
Expr softmax_weights(Expr x, Expr group_max);

}  // namespace gumtile
