#pragma once

#include <array>
#include <optional>
#include <vector>

#include "gumtile/dsl.h"

/// The function library of the DSL: everything here is made of the primitives of gumtile/dsl.h, and a
/// reader's own functions can be made the same way.
namespace gumtile {

// ---- Reductions as monoids. `axis` is the column axis, a group axis or a member axis.
// -----------------------

Expr reduce_max(Expr x, Axis axis);    ///< NaN if any is; -inf of nothing
Expr reduce_min(Expr x, Axis axis);    ///< NaN if any is; +inf of nothing
Expr reduce_sum(Expr x, Axis axis);    ///< f32 or u32; 0 of nothing
Expr reduce_or(Expr bits, Axis axis);  ///< u32

/// The largest `key` with its `index` (u32) and the carried values; ties go to the lowest index, NaN never
/// wins.
struct Pick {
  Expr key;
  Expr index;
  std::vector<Expr> carry;
};
/// With `bound` (>= key, same level): elements where bound < the best so far may be skipped.
Pick argmax(Expr key, Expr index, Axis axis, const std::vector<Expr>& carry = {},
            std::optional<Expr> bound = std::nullopt);

/// log(sum(exp(x))) over all columns, through groups: one exponential per column. f32. `group_max`: the
/// largest x of each group, where it is at hand.
Expr logsumexp(Expr x, Split split, std::optional<Expr> group_max = std::nullopt);

/// The value of `x` at column `index`, where exactly one member of the group (or column) has it.
Expr value_at(Expr x, Expr index, Axis column, Axis over);

// ---- Random numbers (docs/semantics.md)
// ---------------------------------------------------------------------

/// The standard Gumbel variate of a 64-bit word: `hi` always, `lo` only where hi < 2^16. Finite for every
/// input.
Expr gumbel(Expr hi, Expr lo);

/// Positive, and no less than what any backend makes of `gumbel(hi, lo)`, for all lo; without a logarithm,
/// and at most 0.09 more where it matters (hi from 64 to 2^28).
Expr gumbel_bound(Expr hi);

/// The stream of one (request, position): words S0..S2. seed, offset: u64; draw: u32.
std::array<Expr, 3> random_stream(Expr seed, Expr offset, uint32_t draw);

/// What scheme 1 draws for each column.
struct TokenNoise {
  Expr gumbel;  ///< f32
  Expr bound;   ///< f32, no less than `gumbel` and cheaper
};
/// Noise scheme 1: one Gumbel for each column.
TokenNoise gumbel_per_token(const std::array<Expr, 3>& stream, Axis column);

/// What scheme 2 draws for each group of 16 columns.
struct GroupNoise {
  Expr gumbel;     ///< f32, one per group
  Expr bound;      ///< f32, no less than `gumbel` and cheaper
  Expr selection;  ///< u32, picks the member
};
/// Noise scheme 2: one Gumbel and one selection word for each group of a split with mask 0x39.
GroupNoise gumbel_per_group(const std::array<Expr, 3>& stream, Axis group);

/// The members' share of their group as integers: rint(exp2((x - max) * log2(e)) * 2^27), at most 2^27 each.
Expr softmax_weights(Expr x, Expr group_max);

}  // namespace gumtile
