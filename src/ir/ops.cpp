#include "ir/ops.h"

namespace gumtile {
namespace {

struct Row {
  std::string_view text;
  int arity;
};

constexpr Row kOps[] = {
#define X(id, text, arity) {text, arity},
    GUMTILE_OPS(X)
#undef X
};

}  // namespace

std::string_view name(Op op) { return kOps[static_cast<size_t>(op)].text; }
int arity(Op op) { return kOps[static_cast<size_t>(op)].arity; }

std::optional<Op> parse_op(std::string_view text) {
  for (size_t i = 0; i < std::size(kOps); ++i)
    if (kOps[i].text == text) return static_cast<Op>(i);
  return std::nullopt;
}

ImmKind imm_kind(Op op) {
  switch (op) {
    case Op::constant:
      return ImmKind::bits;
    case Op::param:
    case Op::philox:
    case Op::reduce:
    case Op::get:
    case Op::contract:
      return ImmKind::number;
    case Op::index:
    case Op::select_ordered:
      return ImmKind::axis;
    case Op::load:
      return ImmKind::input;
    default:
      return ImmKind::none;
  }
}

}  // namespace gumtile
