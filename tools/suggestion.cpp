#include "tools/suggestion.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace gumtile::tools {
namespace {

/// The insertions, removals, replacements and swaps of neighbours that turn one word into the other (Damerau
/// 1964).
size_t edits(std::string_view a, std::string_view b) {
  std::vector<std::vector<size_t>> cost(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i)
    for (size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        cost[i][j] = i + j;
        continue;
      }
      cost[i][j] = std::min(
          {cost[i - 1][j] + 1, cost[i][j - 1] + 1, cost[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        cost[i][j] = std::min(cost[i][j], cost[i - 2][j - 2] + 1);
    }
  return cost[a.size()][b.size()];
}

}  // namespace

std::string did_you_mean(std::string_view word, std::span<const std::string> known) {
  constexpr size_t kLongest = 64;  // no known word is longer
  constexpr size_t kLeastStart = 3;
  if (word.empty() || word.size() > kLongest) return {};
  const std::string* best = nullptr;
  size_t fewest = std::max<size_t>(1, word.size() / 3) + 1;
  for (const std::string& candidate : known) {
    // The beginning of a word counts, as in shells' completion.
    const bool is_start = word.size() >= kLeastStart && candidate.starts_with(word);
    const size_t distance = is_start ? 1 : edits(word, candidate);
    if (distance >= fewest) continue;
    fewest = distance;
    best = &candidate;
  }
  return best == nullptr ? std::string() : fmt::format("; did you mean '{}'?", *best);
}

}  // namespace gumtile::tools
