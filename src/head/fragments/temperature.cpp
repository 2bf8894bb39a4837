#include <limits>

#include "head/fragments.h"

namespace gumtile::head {

// scaled = logit / temperature. The scores of greedy rows and of rows with a bad temperature are the logits.
void build_temperature(HeadBuilder& h) {
  constexpr float kInf = std::numeric_limits<float>::infinity();
  const Expr temperature = h.input("temperature");
  const Expr bad = ~(temperature >= 0.0f) | (temperature == kInf);
  const Expr greedy = temperature < 1e-5f;
  h.fail("bad_temperature", bad);
  h.scale(greedy, select(bad | greedy, 1.0f, 1.0f / temperature));
}

}  // namespace gumtile::head
