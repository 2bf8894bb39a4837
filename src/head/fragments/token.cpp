#include "head/fragments.h"

namespace gumtile::head {

void build_token(HeadBuilder& h) {
  const Expr invalid = h.input("invalid_token");
  const Expr position = h.input("token_position");
  const Expr token = select(h.failed(), invalid, cast(h.token(), DType::i32));
  h.output_at("token", cast(token, h.options.token_dtype), position);
}

}  // namespace gumtile::head
