#pragma once

#include <string>
#include <string_view>

#include "tools/tune/run.h"

namespace gumtile::tools {

/// `text` escaped for HTML and SVG.
std::string escaped_html(std::string_view text);

/// Every candidate of every bucket: its time relative to the built-in choice's, as inline SVG whose colours
/// come from the page's style sheet (classes built-in, winner, other, axis).
std::string search_plot(const ProblemResult& result);

/// Time against batch size, both logarithmic: the built-in choices, the winners, and two lower bounds: the
/// time to read the weights, and that of the product at `product_teraflops` (0: unknown).
std::string roofline_plot(const ProblemResult& result, double product_teraflops);

}  // namespace gumtile::tools
