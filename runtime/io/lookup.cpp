#include "lookup.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "fault.h"
#include "stored_dtype.h"

namespace gumtile::io {
namespace {

/// Levenshtein distance.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < a.size(); ++i) {
    size_t diagonal = std::exchange(row[0], i + 1);
    for (size_t j = 0; j < b.size(); ++j) {
      const size_t substitution = diagonal + (a[i] != b[j]);
      diagonal = row[j + 1];
      row[j + 1] = std::min({substitution, diagonal + 1, row[j] + 1});
    }
  }
  return row.back();
}

std::vector<std::string> near_names(std::string_view name, const std::vector<std::string>& names) {
  constexpr size_t kMost = 4;
  constexpr size_t kLongest = 200;  // bounds the work that a hostile header can cause
  std::vector<std::pair<size_t, const std::string*>> near;
  for (const std::string& other : names) {
    if (name.empty() || other.empty() || std::max(name.size(), other.size()) > kLongest) continue;
    const bool contained = other.find(name) != std::string::npos || name.find(other) != std::string::npos;
    const size_t distance = edit_distance(name, other);
    if (contained || distance <= 1 + name.size() / 3) near.emplace_back(distance, &other);
  }
  std::ranges::stable_sort(near, {}, [](const auto& entry) { return entry.first; });
  std::vector<std::string> out;
  for (size_t i = 0; i < std::min(near.size(), kMost); ++i) out.push_back(*near[i].second);
  return out;
}

}  // namespace

void no_such_tensor(std::string_view name, const std::vector<std::string>& names, const std::string& file) {
  const std::vector<std::string> near = near_names(name, names);
  if (!near.empty()) bad_file(file, "has no tensor {}; did you mean {}?", in_quotes(name), quoted_list(near));
  if (names.empty()) bad_file(file, "has no tensor {}, nor any other", in_quotes(name));
  bad_file(file, "has no tensor {}; name one of those it has: {}", in_quotes(name), quoted_list(names));
}

std::string only_matrix(const std::vector<std::string>& matrices, const std::string& file) {
  if (matrices.empty())
    bad_file(file, "has no matrix of dtype {}, expected one; name the tensor as PATH:TENSOR",
             readable_dtypes());
  if (matrices.size() > 1)
    bad_file(file, "has several matrices: {}; name one as PATH:TENSOR", quoted_list(matrices));
  return matrices.front();
}

}  // namespace gumtile::io
