#include "head/fragments.h"

namespace gumtile::head {

void build_logit_scale(HeadBuilder& h) {
  const float factor = h.options.settings.logit_scale;
  if (factor != 0 && factor != 1) h.logit = h.logit * factor;
}

}  // namespace gumtile::head
