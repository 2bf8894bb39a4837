#include "tools/seeds.h"

#include <sys/random.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "gumtile/error.h"

namespace gumtile::tools {

std::vector<uint64_t> draw_seeds(size_t count) {
  constexpr size_t kMostAtOnce = 256 / sizeof(uint64_t);  // the most that getentropy gives in one call
  constexpr uint64_t kMask = (uint64_t{1} << 53) - 1;
  std::vector<uint64_t> seeds(count);
  for (size_t done = 0; done < count; done += kMostAtOnce) {
    const size_t part = std::min(kMostAtOnce, count - done);
    if (::getentropy(&seeds[done], part * sizeof(uint64_t)) != 0)
      throw Error(ErrorCode::io,
                  std::string("no seeds can be drawn: ") + std::strerror(errno) + "; give --seed");
  }
  for (uint64_t& seed : seeds) seed &= kMask;
  return seeds;
}

}  // namespace gumtile::tools
