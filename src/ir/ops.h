#pragma once

#include <optional>
#include <string_view>

#include "gumtile/program.h"

namespace gumtile {

/// The number of operands of an op; -1 if it varies.
int arity(Op op);

/// The inverse of `name(op)`.
std::optional<Op> parse_op(std::string_view text);

/// What `Node::imm` stands for in text.
enum class ImmKind : uint8_t { none, bits, number, axis, input };
ImmKind imm_kind(Op op);

inline bool is_comparison(Op op) { return op == Op::eq || op == Op::ne || op == Op::lt || op == Op::le; }

}  // namespace gumtile
