#include "tools/pack_contents.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "head/fields.h"
#include "runtime/cache/entry.h"
#include "tools/options.h"
#include "tools/units.h"

namespace gumtile::tools {
namespace {

std::vector<std::string> feature_names(const PackDescription& d) {
  std::vector<std::string> names;
  for (Features set : d.feature_sets) names.push_back(head::feature_set_name(set));
  return names;
}

std::vector<std::string_view> token_dtype_names(const PackDescription& d) {
  std::vector<std::string_view> names;
  for (DType dtype : d.token_dtypes) names.push_back(name(dtype));
  return names;
}

}  // namespace

std::string pack_text(const Pack& pack, const std::string& path, uint64_t bytes) {
  const PackDescription& d = pack.description();
  Table table{{"target", "features", "tokens", "format", "size", "batches", "schedule"}, {}};
  for (const PackEntry& e : pack.entries()) {
    std::vector<int64_t> rows;
    for (const PackEntry::Bucket& bucket : e.buckets) rows.push_back(bucket.max_rows);
    table.rows.push_back({e.target, head::feature_set_name(e.features), std::string(name(e.token_dtype)),
                          std::string(cache::format_name(e.format)), bytes_text(e.bytes),
                          fmt::format("{}", fmt::join(rows, ",")), e.schedule});
  }
  return to_text(table) + fmt::format(
                              "{}: {}, {}, {}\n{} x {} from token {}, weights {}, hidden "
                              "states {}, tokens {}, {}{}, features {}, batches up to {}; gumtile {}, {}\n",
                              path, count_text(pack.entries().size(), "kernel"), bytes_text(bytes),
                              count_text(pack.tuning_records().size(), "tuning record"), d.vocab_size,
                              d.hidden_size, d.first_token, name(d.weights_dtype), name(d.hidden_dtype),
                              fmt::join(token_dtype_names(d), ","), name(d.noise),
                              d.settings.empty() ? "" : " with " + d.settings,
                              fmt::join(feature_names(d), ","), d.max_rows, d.gumtile_version, d.compiler);
}

Json pack_json(const Pack& pack, const std::string& path, uint64_t bytes) {
  const PackDescription& d = pack.description();
  Json kernels = Json::array();
  for (const PackEntry& e : pack.entries()) {
    Json buckets = Json::array();
    for (const PackEntry::Bucket& bucket : e.buckets)
      buckets.push_back({{"max_rows", bucket.max_rows}, {"place", bucket.place}});
    kernels.push_back({{"target", e.target},
                       {"features", head::feature_set_name(e.features)},
                       {"token_dtype", name(e.token_dtype)},
                       {"format", cache::format_name(e.format)},
                       {"bytes", e.bytes},
                       {"schedule", e.schedule},
                       {"weights_alignment", e.weights_alignment},
                       {"buckets", buckets}});
  }
  return {{"pack", path},
          {"bytes", bytes},
          {"hash", pack.hash()},
          {"vocab_size", d.vocab_size},
          {"hidden_size", d.hidden_size},
          {"first_token", d.first_token},
          {"weights_dtype", name(d.weights_dtype)},
          {"hidden_dtype", name(d.hidden_dtype)},
          {"token_dtypes", token_dtype_names(d)},
          {"noise", name(d.noise)},
          {"settings", d.settings},
          {"features", feature_names(d)},
          {"max_rows", d.max_rows},
          {"gumtile", d.gumtile_version},
          {"compiler", d.compiler},
          {"tuning_records", pack.tuning_records().size()},
          {"kernels", kernels}};
}

}  // namespace gumtile::tools
