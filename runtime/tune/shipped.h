#pragma once

#include <span>

#include "gumtile/tuning.h"

namespace gumtile::tune {

/// The files in runtime/tune/shipped when gumtile was built. Defined in a file that the build generates
/// (cmake/EmbedRecords.cmake).
std::span<const TuningRecordText> shipped_records();

}  // namespace gumtile::tune
