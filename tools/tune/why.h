#pragma once

#include <string>

#include "tools/tune/run.h"

namespace gumtile::tools {

/// For each bucket which record or rule chooses which kernel on the device, and why other records do not;
/// nothing is measured.
std::string explain_choices(const TuneSettings& settings, const std::string& format);

}  // namespace gumtile::tools
