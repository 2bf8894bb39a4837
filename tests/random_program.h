#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/harness.h"

namespace gumtile::test {

/// How far two backends' values of an output may be apart: |a - b| <= relative * |a| + absolute. Both zero:
/// the bits are equal (where NaNs are equal, and zeros of either sign).
struct Tolerance {
  double relative = 0;
  double absolute = 0;
};

/// A Program over all ops with inputs to run it on.
struct RandomProgram {
  Case problem;
  std::vector<Tolerance> tolerance;  ///< one an output
};

/// The same for equal seeds. Always legal, and well conditioned: what is discontinuous (comparisons, casts to
/// integers, bits, rounding, the keys of an argmax) is fed from values that every backend has to the bit, and
/// the error that the others may have is followed through the graph into `tolerance`.
RandomProgram make_random_program(uint64_t seed);

/// Empty where the outputs agree, else the first difference. With no rows nothing is compared.
std::string difference(const RandomProgram& random, const Outputs& expected, const Outputs& actual);

}  // namespace gumtile::test
