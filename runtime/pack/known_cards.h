#pragma once

#include <vector>

#include "gumtile/engine.h"

namespace gumtile::pack {

/// The cards of a GPU target's architecture that a pack is made for, as an engine on one would describe them,
/// the most common first; one of unknown speed if none is known.
std::vector<DeviceDescription> known_cards(const Target& target);

}  // namespace gumtile::pack
