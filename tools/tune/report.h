#pragma once

#include <string>

#include "tools/tune/run.h"

namespace gumtile::tools {

/// A page of HTML that needs nothing else: the search and the roofline as plots, the winners, every
/// candidate, and how to repeat it. `product_teraflops`: what the device multiplies at most, for a product
/// floor; 0: unknown. `command`: the command line that made it.
std::string tuning_report(const TuneResult& result, double product_teraflops, const std::string& command);

}  // namespace gumtile::tools
