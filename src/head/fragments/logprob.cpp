#include <limits>

#include "gumtile/dsl_functions.h"
#include "head/fragments.h"

// log softmax(scaled)[token]

namespace gumtile::head {

void carry_score(HeadBuilder& h) { h.carry("score", h.scaled()); }

void build_logprob(HeadBuilder& h) {
  const Expr logprob = h.carried("score") - logsumexp(h.scaled(), h.split, h.group_max());
  h.output("logprob", select(h.failed(), std::numeric_limits<float>::quiet_NaN(), logprob));
}

}  // namespace gumtile::head
