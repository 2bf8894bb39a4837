#include <algorithm>
#include <tuple>
#include <utility>

#include "gumtile/pack.h"
#include "gumtile/version.h"
#include "head/settings.h"
#include "runtime/cache/entry.h"
#include "runtime/io/output_file.h"
#include "runtime/pack/format.h"
#include "support/hash.h"

namespace gumtile {
struct PackWriter::Impl {
  pack::Index index;
  std::vector<std::string> entries;
};

PackWriter::PackWriter(const PackRequest& request, std::string compiler) : impl_(std::make_unique<Impl>()) {
  PackDescription& d = impl_->index.description;
  d.vocab_size = request.head.vocab_size;
  d.hidden_size = request.head.hidden_size;
  d.first_token = request.head.first_token;
  d.hidden_dtype = request.head.hidden_dtype;
  d.weights_dtype = request.head.weights_dtype;
  d.token_dtypes = request.token_dtypes;
  if (d.token_dtypes.empty()) d.token_dtypes = {request.head.token_dtype};
  d.noise = request.head.noise;
  d.settings = head::settings_text(request.head.settings);
  d.feature_sets = request.feature_sets;
  d.max_rows = request.max_rows;
  d.gumtile_version = GUMTILE_VERSION_STRING;
  d.compiler = std::move(compiler);
}

PackWriter::~PackWriter() = default;

void PackWriter::add(const PackPlan& plan, const KernelArtifact& artifact) {
  const std::string text = key_text(plan.plan);
  std::string bytes = cache::encode_entry(text, artifact);
  pack::IndexEntry e;
  e.key = hash_hex(text);
  e.hash = hash_hex(bytes);
  e.entry.target = plan.plan.target.str();
  e.entry.program = digest(plan.plan.program);
  e.entry.features = plan.features;
  e.entry.token_dtype = plan.token_dtype;
  e.entry.schedule = plan.plan.schedule.str();
  e.entry.weights_alignment = plan.plan.problem.weights_alignment;
  e.entry.format = artifact.format;
  e.entry.buckets = plan.buckets;
  e.entry.bytes = bytes.size();
  impl_->index.entries.push_back(std::move(e));
  impl_->entries.push_back(std::move(bytes));
}

void PackWriter::add_tuning_record(std::string text) {
  impl_->index.tuning_records.push_back(std::move(text));
}

std::string PackWriter::bytes() const {
  std::vector<size_t> order(impl_->entries.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  const auto rank = [&](size_t i) {
    const PackEntry& e = impl_->index.entries[i].entry;
    return std::tie(e.target, e.features, e.token_dtype, e.schedule, e.format);
  };
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return rank(a) < rank(b); });
  pack::Index index = impl_->index;
  index.entries.clear();
  std::sort(index.tuning_records.begin(), index.tuning_records.end());
  uint64_t offset = 0;
  for (size_t i : order) {
    index.entries.push_back(impl_->index.entries[i]);
    index.entries.back().offset = offset;
    offset += impl_->entries[i].size();
  }
  std::string bytes = pack::file_start(pack::index_text(index), offset);
  bytes.reserve(bytes.size() + offset);
  for (size_t i : order) bytes += impl_->entries[i];
  return bytes;
}

uint64_t PackWriter::write(const std::filesystem::path& path) const {
  const std::string content = bytes();
  io::OutputFile(path).write(content);
  return content.size();
}

}  // namespace gumtile
