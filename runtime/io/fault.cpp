#include "fault.h"

#include <fmt/ranges.h>

namespace gumtile::io {

std::string shape_text(const std::vector<int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

}  // namespace gumtile::io
