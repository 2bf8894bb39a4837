#pragma once

#include "gumtile/program.h"

namespace gumtile {

/// The kind of a reduction, found by comparing its combine with those that the DSL builds.
ReductionKind recognise(const ReductionInfo& reduction);

/// Sets the kinds of all reductions.
void recognise_reductions(Program& program);

/// How a reduction's whole state is packed into one 64-bit word that an atomic operation can join in any
/// order.
enum class Packing : uint8_t {
  none,
  bit_or,  ///< u32, joined by a bitwise or
  argmax,  ///< (f32 key, u32 index): the largest ordered(key) << 32 | ~index
};
Packing packing_of(const ReductionInfo& reduction);

}  // namespace gumtile
