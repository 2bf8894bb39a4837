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

/// The one name that is `suffix` or ends in ".suffix".
std::optional<std::string> find_by_suffixes(const std::vector<std::string>& names,
                                            std::initializer_list<std::string_view> suffixes,
                                            const std::string& file) {
  std::vector<std::string> found;
  for (const std::string& name : names)
    for (const std::string_view suffix : suffixes)
      if (name.ends_with(suffix) &&
          (name.size() == suffix.size() || name[name.size() - suffix.size() - 1] == '.'))
        found.push_back(name);
  if (found.size() > 1)
    bad_file(file, "has several tensors that may be the head: {}; name one as {}:TENSOR", quoted_list(found),
             file);
  return found.empty() ? std::nullopt : std::optional(found.front());
}

bool has(const std::vector<std::string>& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

/// Whether `file` is named as one of several shards: "...-00001-of-00004.safetensors".
bool is_lone_shard(std::string_view file) {
  constexpr std::string_view kSuffix = ".safetensors", kOf = "-of-";
  if (!file.ends_with(kSuffix)) return false;
  file.remove_suffix(kSuffix.size());
  const size_t of = file.rfind(kOf);
  if (of == std::string_view::npos) return false;
  const std::string_view count = file.substr(of + kOf.size());
  if (count.empty() || count.find_first_not_of("0123456789") != std::string_view::npos) return false;
  return count.find_first_not_of('0') != count.size() - 1 || count.back() != '1';
}

}  // namespace

void no_such_tensor(std::string_view name, const std::vector<std::string>& names, const std::string& file) {
  const std::vector<std::string> near = near_names(name, names);
  if (!near.empty()) bad_file(file, "has no tensor {}; did you mean {}?", in_quotes(name), quoted_list(near));
  if (names.empty()) bad_file(file, "has no tensor {}, nor any other", in_quotes(name));
  bad_file(file, "has no tensor {}; name one of those it has: {}", in_quotes(name), quoted_list(names));
}

std::optional<std::string> find_head(const std::vector<std::string>& names, const std::string& file) {
  if (has(names, "lm_head.weight")) return "lm_head.weight";
  // A wrapped model, e.g. "language_model.lm_head.weight": its own head comes before any embedding.
  if (auto head = find_by_suffixes(names, {"lm_head.weight"}, file)) return head;
  if (is_lone_shard(file))
    bad_file(
        file,
        "has no lm_head.weight, but is one shard of several, so another may have it; open the folder or the "
        ".safetensors.index.json, or name the tensor as PATH:TENSOR");
  if (has(names, "model.embed_tokens.weight")) return "model.embed_tokens.weight";
  return find_by_suffixes(names, {"embed_tokens.weight", "wte.weight"}, file);
}

std::string only_matrix(const std::vector<std::string>& matrices, const std::string& file) {
  if (matrices.empty())
    bad_file(file,
             "has no lm_head.weight, no token embedding and no matrix of dtype {}, expected one of these",
             kReadableDTypes);
  if (matrices.size() > 1)
    bad_file(file,
             "has no lm_head.weight and several matrices that may be the head: {}; name one as PATH:TENSOR",
             quoted_list(matrices));
  return matrices.front();
}

}  // namespace gumtile::io
