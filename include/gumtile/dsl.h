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

/// A value of a Program under construction: one scalar per position of the axes it depends on. C++ numbers
/// convert to it and take the type of the other operand. Mixed types and Exprs of another builder throw
/// Error(bad_data) at the call that mixes them.
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

  /// The element at the given indices (i32 or u32), one per axis. For an optional input, a last argument
  /// gives the value if the caller binds no pointer.
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
  /// group, the other bits the groups. 0x39 makes groups of the 16 columns {8j + 2q + e} of a block of 64.
  Split split(Axis column, uint32_t member_mask);

  /// An input of at most two axes; without axes, a scalar in memory.
  Tensor input(std::string name, DType dtype, std::vector<Axis> axes);
  /// An input that may be absent (a null pointer); its loads take a fallback value.
  Tensor optional_input(std::string name, DType dtype, std::vector<Axis> axes);

  /// A constant with a type of its own.
  Expr constant(DType dtype, double value);
  Expr constant_u32(uint32_t value);
  Expr constant_u64(uint64_t value);
  Expr constant_i64(int64_t value);

  /// The sum over `axis` of left[i, axis] * right[j, axis], accumulated in f32. Operands are first rounded to
  /// `operand_dtype`, by default the type of `right`. `left_index` is an i32 [row] input that says which row
  /// of `left` is used as row i (negative: zeros). If it is absent or not bound, row i is used.
  Expr contract(Tensor left, Tensor right, Axis axis, std::optional<DType> operand_dtype = std::nullopt,
                std::optional<Tensor> left_index = std::nullopt);

  /// If `active` is false for a row, none of its outputs is written or reported, and its parameters are not
  /// read. Its contracted operand may be read but is never used.
  void guard(Expr active);

  /// One value per row, stored as `dtype`.
  void output(std::string name, Expr value, std::optional<DType> dtype = std::nullopt, bool optional = false);
  /// One value per row, stored at element `position` (i32, u32 or i64, known before the sweep), or not at all
  /// if that is negative. Positions should differ between rows: if two rows have the same one, either value
  /// may remain.
  void scattered_output(std::string name, Expr value, Expr position,
                        std::optional<DType> dtype = std::nullopt, bool optional = false);
  /// A value per (row, column), stored as a matrix.
  void tile_output(std::string name, Expr value, std::optional<DType> dtype = std::nullopt);
  /// One word: the bitwise or of the values of all active rows.
  void any_output(std::string name, Expr value, bool optional = false);

  /// Names the row and the column axis if no contraction, reduction or matrix input determines them.
  void rows(Axis axis);
  void columns(Axis axis);

  /// Removes nodes that no output needs, verifies the Program, and returns it. Throws Error(bad_data).
  Program build();

 private:
  std::unique_ptr<detail::Graph> graph_;
};

/// The combine of a commutative monoid: takes two states and returns the joined one.
using Combine = std::function<std::vector<Expr>(std::span<const Expr> left, std::span<const Expr> right)>;

/// Reduces by a monoid along the column axis, a group axis (over values per group) or a member axis (which
/// gives one value per group). `lifted` is the state of one element. With `bound`, elements may be skipped if
/// their bound is below the first component of the state so far, or NaN. Returns the state's components.
std::vector<Expr> reduce(std::string name, Axis axis, const std::vector<Expr>& lifted,
                         const std::vector<Expr>& identity, const Combine& combine,
                         std::optional<Expr> bound = std::nullopt);

/// The column index of the first member, in ascending order, at which the running sum of `weights` (u32)
/// exceeds `threshold`; the group's last column if none does.
Expr select_ordered(Split split, Expr weights, Expr threshold);

/// Philox4x32 with the given counter and key (u32). At least one of these six must not be a literal.
std::array<Expr, 4> philox(std::array<Expr, 4> counter, std::array<Expr, 2> key, int rounds = 10);

// Elementwise operations. The types of operands must match; literals adapt.
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
/// A select whose first side is rarely needed, so that a backend may branch around it.
Expr branch(Expr condition, Expr rarely, Expr otherwise);
Expr cast(Expr a, DType dtype);
Expr bitcast(Expr a, DType dtype);

}  // namespace gumtile
