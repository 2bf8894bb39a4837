#pragma once

#include <string>

#include "tools/tune/run.h"

namespace gumtile::tools {

/// A self-contained HTML page: the search and the roofline as plots, the winners, every candidate, and how to
/// repeat it. `product_teraflops`: the device's highest rate of multiplication, for the product's lower
/// bound; 0: unknown. `command`: the command line that made it.
std::string tuning_report(const TuneResult& result, double product_teraflops, const std::string& command);

}  // namespace gumtile::tools
