#include "head/fragments.h"

namespace gumtile::head {

void build_bias(HeadBuilder& h) {
  if (const std::optional<Expr> bias = h.array("bias")) h.logit = h.logit + *bias;
}

}  // namespace gumtile::head
