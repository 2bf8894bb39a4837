#include "head/fragments.h"

namespace gumtile::head {

void build_status(HeadBuilder& h) {
  h.output("status", h.status());
  h.output("any_status", h.status());
}

}  // namespace gumtile::head
