#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gumtile/program.h"

namespace gumtile {

namespace detail {
struct Graph;
}

class Expr;

/// A named axis of a Program under construction.
struct Axis {
  AxisId id = kNone;
  detail::Graph* graph = nullptr;

  /// The u32 position along the row, column or a group axis.
  Expr index() const;
};

/// The two children of a split axis (see `ProgramBuilder::split`).
struct Split {
  Axis group;
  Axis member;
  Axis parent;
};

/// A value of a Program under construction: one scalar for each position of the axes it depends on. C++
/// numbers convert to it and take the type of the other operand. Errors (mixed types, other builders) throw
/// Error(bad_data) where they are made.
class Expr {
 public:
  Expr(float value) : literal_(value) {}                          // NOLINT(google-explicit-constructor)
  Expr(double value) : literal_(value) {}                         // NOLINT(google-explicit-constructor)
  Expr(int value) : literal_(value) {}                            // NOLINT(google-explicit-constructor)
  Expr(uint32_t value) : literal_(static_cast<double>(value)) {}  // NOLINT(google-explicit-constructor)
  Expr(detail::Graph* graph, NodeId id) : graph_(graph), id_(id) {}

  bool is_literal() const { return graph_ == nullptr; }
  double literal() const { return literal_; }
  detail::Graph* graph() const { return graph_; }
  NodeId id() const { return id_; }
  DType dtype() const;

 private:
  detail::Graph* graph_ = nullptr;
  NodeId id_ = kNone;
  double literal_ = 0;
};

/// An input of a Program under construction.
class Tensor {
 public:
  Tensor(detail::Graph* graph, uint32_t input) : graph_(graph), input_(input) {}

  /// The element at the given indices (i32 or u32), one for each axis. For an optional input the last
  /// argument is the value where the caller binds no pointer.
  Expr at(std::vector<Expr> indices) const;
  uint32_t input() const { return input_; }
  detail::Graph* graph() const { return graph_; }

 private:
  detail::Graph* graph_;
  uint32_t input_;
};

/// Builds one Program. Not thread safe; axes and Exprs live as long as their builder.
class ProgramBuilder {
 public:
  explicit ProgramBuilder(std::string name);
  ~ProgramBuilder();
  ProgramBuilder(const ProgramBuilder&) = delete;
  ProgramBuilder& operator=(const ProgramBuilder&) = delete;

  Axis axis(std::string name);

  /// Splits the column axis: the bits of its index set in `member_mask` (below 64) count the members of a
  /// group, the others the groups. 0x39 makes groups of the 16 columns {8j + 2q + e} of a block of 64.
  Split split(Axis column, uint32_t member_mask);

  /// An input of at most two axes; no axes: a scalar in memory.
  Tensor input(std::string name, DType dtype, std::vector<Axis> axes);
  /// An input that may be absent (a null pointer); its loads take a fallback.
  Tensor optional_input(std::string name, DType dtype, std::vector<Axis> axes);

  /// A number that does not take its type from another operand.
  Expr constant(DType dtype, double value);
  Expr constant_u32(uint32_t value);
  Expr constant_u64(uint64_t value);
  Expr constant_i64(int64_t value);

  /// sum over `axis` of left[i, axis] * right[j, axis], accumulated in f32. Operands are rounded to
  /// `operand_dtype` first; by default the right one's type. `left_index`: an input i32 [row] that says which
  /// row of `left` takes part as row i (negative: zeros); where it is absent or not bound, row i.
  Expr contract(Tensor left, Tensor right, Axis axis, std::optional<DType> operand_dtype = std::nullopt,
                std::optional<Tensor> left_index = std::nullopt);

  /// Nothing of a row where `active` is false is written or reported, and its parameters are not read. Its
  /// contracted operand may be read, never used.
  void guard(Expr active);

  /// One value per row, stored as `dtype`.
  void output(std::string name, Expr value, std::optional<DType> dtype = std::nullopt, bool optional = false);
  /// One value per row, stored at element `position` (i32, u32 or i64, known before the sweep); where that is
  /// negative, not at all. Rows with positions of their own: of two with the same, either value may remain.
  void scattered_output(std::string name, Expr value, Expr position,
                        std::optional<DType> dtype = std::nullopt, bool optional = false);
  /// A value per (row, column), stored as a matrix.
  void tile_output(std::string name, Expr value, std::optional<DType> dtype = std::nullopt);
  /// One word: the bitwise or over all active rows.
  void any_output(std::string name, Expr value, bool optional = false);

  /// Names the row and the column axis where no contraction, reduction or matrix input shows them.
  void rows(Axis axis);
  void columns(Axis axis);

  /// Removes what no output needs, verifies, and returns the Program. Throws Error(bad_data).
  Program build();

 private:
  std::unique_ptr<detail::Graph> graph_;
};

/// The combine of a commutative monoid: gets two states, returns the joined one.
using Combine = std::function<std::vector<Expr>(std::span<const Expr> left, std::span<const Expr> right)>;

/// Folds a monoid along the column axis, a group axis (values per group) or a member axis (giving a value per
/// group). `lifted` is the state of one element. With `bound`: elements where bound < state 0 so far, or
/// where it is NaN, may be skipped. Returns the state's components.
std::vector<Expr> reduce(std::string name, Axis axis, const std::vector<Expr>& lifted,
                         const std::vector<Expr>& identity, const Combine& combine,
                         std::optional<Expr> bound = std::nullopt);

/// The column index of the first member, ascending, whose running sum of `weights` (u32) exceeds
/// `threshold`; the group's last column where none does.
Expr select_ordered(Split split, Expr weights, Expr threshold);

/// Philox4x32 with the given counter and key (u32), of which one at least is no literal.
std::array<Expr, 4> philox(std::array<Expr, 4> counter, std::array<Expr, 2> key, int rounds = 10);

// Elementwise operations. Types of operands must match; literals adapt.
Expr operator+(Expr a, Expr b);
Expr operator-(Expr a, Expr b);
Expr operator*(Expr a, Expr b);
Expr operator/(Expr a, Expr b);
Expr operator&(Expr a, Expr b);
Expr operator|(Expr a, Expr b);
Expr operator^(Expr a, Expr b);
Expr operator<<(Expr a, Expr b);
Expr operator>>(Expr a, Expr b);
Expr operator-(Expr a);
Expr operator~(Expr a);
Expr operator==(Expr a, Expr b);
Expr operator!=(Expr a, Expr b);
Expr operator<(Expr a, Expr b);
Expr operator<=(Expr a, Expr b);
Expr operator>(Expr a, Expr b);
Expr operator>=(Expr a, Expr b);
Expr min(Expr a, Expr b);  ///< NaN if either is
Expr max(Expr a, Expr b);  ///< NaN if either is
Expr mulhi(Expr a, Expr b);
Expr abs(Expr a);
Expr exp(Expr a);
Expr log(Expr a);
Expr exp2(Expr a);
Expr log2(Expr a);
Expr tanh(Expr a);
Expr rint(Expr a);
Expr floor(Expr a);
Expr fma(Expr a, Expr b, Expr c);
Expr select(Expr condition, Expr if_true, Expr if_false);
/// A select whose first side is rarely needed: a backend may branch around it.
Expr branch(Expr condition, Expr rarely, Expr otherwise);
Expr cast(Expr a, DType dtype);
Expr bitcast(Expr a, DType dtype);

}  // namespace gumtile
