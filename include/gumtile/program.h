#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gumtile/dtype.h"

namespace gumtile {

using NodeId = uint32_t;
using AxisId = uint32_t;
inline constexpr uint32_t kNone = ~0u;

/// The operations of a Program: enumerator, text name, number of operands (-1: varies).
/// This is the op table: a new primitive is one row here, a case in the interpreter and one in the emitter.
#define GUMTILE_OPS(X)                                                                       \
  /* leaves */                                                                               \
  X(constant, "constant", 0) /* imm: the bits of the value */                                \
  X(param, "param", 0)       /* imm: parameter of a monoid's combine */                      \
  X(index, "index", 0)       /* imm: axis; u32 position along a root axis */                 \
  X(load, "load", -1)        /* imm: input; one index per axis, then a fallback */           \
  /* unary */                                                                                \
  X(neg, "neg", 1)                                                                           \
  X(abs, "abs", 1)                                                                           \
  X(bit_not, "not", 1)                                                                       \
  X(exp, "exp", 1)                                                                           \
  X(log, "log", 1)                                                                           \
  X(exp2, "exp2", 1)                                                                         \
  X(log2, "log2", 1)                                                                         \
  X(tanh, "tanh", 1)                                                                         \
  X(rint, "rint", 1)                                                                         \
  X(floor, "floor", 1)                                                                       \
  X(cast, "cast", 1)       /* float to integer saturates, NaN gives 0 */                     \
  X(bitcast, "bitcast", 1) /* between 32-bit types */                                        \
  /* binary; min and max of floats propagate NaN; shift counts are taken modulo the width */ \
  X(add, "add", 2)                                                                           \
  X(sub, "sub", 2)                                                                           \
  X(mul, "mul", 2)                                                                           \
  X(div, "div", 2)                                                                           \
  X(min, "min", 2)                                                                           \
  X(max, "max", 2)                                                                           \
  X(bit_and, "and", 2)                                                                       \
  X(bit_or, "or", 2)                                                                         \
  X(bit_xor, "xor", 2)                                                                       \
  X(shl, "shl", 2)                                                                           \
  X(shr, "shr", 2)     /* logical for u32/u64, arithmetic for i32/i64 */                     \
  X(mulhi, "mulhi", 2) /* high half of a u32 product */                                      \
  /* comparisons give pred; every comparison with NaN but `ne` is false */                   \
  X(eq, "eq", 2)                                                                             \
  X(ne, "ne", 2)                                                                             \
  X(lt, "lt", 2)                                                                             \
  X(le, "le", 2)                                                                             \
  /* ternary */                                                                              \
  X(select, "select", 3) /* both sides are evaluated */                                      \
  X(branch, "branch", 3) /* a select whose first side is rarely needed */                    \
  X(fma, "fma", 3)       /* one rounding */                                                  \
  /* several results, read with `get` (imm: which) */                                        \
  X(philox, "philox", 6)  /* imm: rounds; counter x4, key x2 -> 4 words */                   \
  X(reduce, "reduce", -1) /* imm: reduction; the lifted state */                             \
  X(get, "get", 1)                                                                           \
  /* over whole axes */                                                                      \
  X(contract, "contract", 0)             /* imm: contraction */                              \
  X(select_ordered, "select_ordered", 2) /* imm: member axis; weights u32, threshold u32 */

enum class Op : uint8_t {
#define X(id, text, arity) id,
  GUMTILE_OPS(X)
#undef X
};

std::string_view name(Op op);

/// One operation. `dtype` is the type of its (first) result.
struct Node {
  Op op;
  DType dtype;
  std::vector<NodeId> operands;
  uint64_t imm = 0;

  bool operator==(const Node&) const = default;
};

/// A named axis. A root axis has an extent that the problem gives; `split` gives it two children: `group`
/// (one position per group) and `member` (the positions inside a group, ascending). The bits of the parent's
/// index that are set in `member_mask` count the members.
struct AxisInfo {
  enum class Kind : uint8_t { root, group, member };
  std::string name;
  Kind kind = Kind::root;
  AxisId parent = kNone;
  uint32_t member_mask = 0;

  bool operator==(const AxisInfo&) const = default;
};

/// A tensor that the caller binds at launch. The last axis has stride 1; a matrix has a row stride in
/// elements. A null pointer stands for an absent optional input: its loads give their fallback operand.
struct InputInfo {
  std::string name;
  DType dtype;
  std::vector<AxisId> axes;
  bool optional = false;

  bool operator==(const InputInfo&) const = default;
};

/// sum over `axis` of left[i, axis] * right[j, axis]; both are rounded to `operand_dtype` first (exact if
/// they have it already), and products are accumulated in f32.
struct ContractionInfo {
  uint32_t left = kNone;   ///< input [row, axis]
  uint32_t right = kNone;  ///< input [column, axis]
  AxisId axis = kNone;
  DType operand_dtype = DType::f32;
  /// kNone, or an i32 input [row]: the row of the left input that is used as row i; negative: a row of zeros.
  /// If it is optional and absent, row i itself. The index of a row that the guard rejects is not read.
  uint32_t left_index = kNone;

  bool operator==(const ContractionInfo&) const = default;
};

/// A small function over scalars: nodes whose leaves are constants and `param`s.
struct Lambda {
  std::vector<Node> nodes;
  std::vector<NodeId> results;

  bool operator==(const Lambda&) const = default;
};

/// What backends know of a reduction beyond its combine.
enum class ReductionKind : uint8_t {
  other,
  argmax,  ///< the DSL's, with or without carried values: the larger key, then the lower index; NaN loses
  bit_or,  ///< of one u32
};

/// A commutative monoid folded along an axis. The state is a tuple; `identity` holds its bits; `combine`
/// takes two states (params 0..n-1 and n..2n-1). Lanes, warps and workers (the blocks or threads that share
/// the columns) hold scattered columns, so the schedule and the launch fix the order in which states are
/// joined, not the axis: argmax breaks ties by an index that it carries.
struct ReductionInfo {
  std::string name;
  AxisId axis = kNone;
  std::vector<DType> state;
  std::vector<uint64_t> identity;
  Lambda combine;
  /// Optional: a node at the level of the lifted values. If `bound < component 0 of the state so far`, the
  /// element cannot change the state and a backend may skip it. It may also skip if the bound is NaN: NaN
  /// bounds nothing but NaN, and such an element must not change the state.
  NodeId bound = kNone;
  /// Follows from the combine: `ProgramBuilder::build` and `parse_program` recognise it. Not printed.
  ReductionKind kind = ReductionKind::other;

  bool operator==(const ReductionInfo&) const = default;
};

/// A result. `per_row`: [row], or if there is a `position`, the elements that it names; `tile`: [row, column]
/// with a row stride; `any`: one word, the bitwise or over all active rows.
struct OutputInfo {
  enum class Kind : uint8_t { per_row, tile, any };
  std::string name;
  DType dtype;
  NodeId node = kNone;
  Kind kind = Kind::per_row;
  bool optional = false;  ///< a null pointer at launch means that it is not written
  /// `per_row` only: the node (row level; i32, u32 or i64) of the element at which a row's value is stored;
  /// kNone: the row. If it is negative, the value is not stored. If two rows name one element, either value
  /// may remain.
  NodeId position = kNone;

  bool operator==(const OutputInfo&) const = default;
};

/// What to compute: a typed graph over named axes, in topological order. It says nothing about tiles, threads
/// or machines. Built by `ProgramBuilder` (gumtile/dsl.h) or `parse_program`; both verify it. A value type;
/// const use from many threads is safe.
struct Program {
  std::string name;
  std::vector<AxisInfo> axes;
  std::vector<InputInfo> inputs;
  std::vector<Node> nodes;
  std::vector<ContractionInfo> contractions;
  std::vector<ReductionInfo> reductions;
  std::vector<OutputInfo> outputs;
  AxisId row_axis = kNone;     ///< the axis of independent rows (a batch)
  AxisId column_axis = kNone;  ///< the axis that is swept and reduced (a vocabulary)
  NodeId row_guard = kNone;    ///< optional: if it is false, nothing of the row is written or reported

  bool operator==(const Program&) const = default;
};

/// Throws Error(bad_data) naming the node at fault and the remedy.
void verify(const Program& program);

/// The canonical text; `parse_program(print(p)) == p`.
std::string print(const Program& program);

/// Throws Error(bad_data) with the line at fault.
Program parse_program(std::string_view text);

/// 32 hex digits: XXH3-128 of the canonical text. Stable across runs, machines and releases of one text
/// format.
std::string digest(const Program& program);

/// How many results a node has.
size_t result_count(const Program& program, const Node& node);

}  // namespace gumtile
