#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/harness.h"

namespace gumtile::test {

/// How far apart two backends' values of an output may be: |a - b| <= relative * |a| + absolute. If both are
/// zero, the bits are equal (all NaNs count as equal, and zeros of either sign).
struct Tolerance {
  double relative = 0;
  double absolute = 0;
};

/// A Program over all ops with inputs to run it on.
struct RandomProgram {
  Case problem;
  std::vector<Tolerance> tolerance;  ///< one per output
};

/// The same for equal seeds. Always legal, and well conditioned: discontinuous operations (comparisons, casts
/// to integers, bits, rounding, the keys of an argmax) get values that are the same bits on every backend,
/// and the error of other values is propagated through the graph into `tolerance`.
RandomProgram make_random_program(uint64_t seed);

/// Empty if the outputs agree, else the first difference. With no rows nothing is compared.
std::string difference(const RandomProgram& random, const Outputs& expected, const Outputs& actual);

}  // namespace gumtile::test
