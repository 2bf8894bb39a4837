#pragma once

#include "gumtile/program.h"

namespace gumtile {

/// What the combine makes of a reduction, by comparison with those of the DSL.
ReductionKind recognise(const ReductionInfo& reduction);

/// Sets the kinds of all reductions.
void recognise_reductions(Program& program);

/// Reductions whose whole state fits one 64-bit word that an atomic operation can join in any order.
enum class Packing : uint8_t {
  none,
  bit_or,  ///< u32, joined by a bitwise or
  argmax,  ///< (f32 key, u32 index): the largest ordered(key) << 32 | ~index
};
Packing packing_of(const ReductionInfo& reduction);

}  // namespace gumtile
