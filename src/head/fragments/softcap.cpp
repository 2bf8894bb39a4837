#include "head/fragments.h"

namespace gumtile::head {

// The division is a multiplication by the reciprocal, rounded to f32, as for temperatures.
void build_softcap(HeadBuilder& h) {
  const float cap = h.options.settings.softcap;
  if (cap != 0) h.logit = tanh(h.logit * (1.0f / cap)) * cap;
}

}  // namespace gumtile::head
