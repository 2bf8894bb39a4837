#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <tuple>
#include <utility>

#include "gumtile/error.h"
#include "gumtile/pack.h"
#include "gumtile/version.h"
#include "runtime/cache/entry.h"
#include "runtime/pack/format.h"
#include "support/hash.h"

namespace gumtile {
namespace {

/// A new file beside `path` that takes its place when all is well.
class ReplacingFile {
 public:
  explicit ReplacingFile(const std::filesystem::path& path)
      : path_(path), temporary_(path.string() + ".XXXXXX") {
    fd_ = mkostemp(temporary_.data(), O_CLOEXEC);
    if (fd_ < 0) fail("made");
  }
  ~ReplacingFile() {
    if (fd_ >= 0) {
      ::close(fd_);
      ::unlink(temporary_.c_str());
    }
  }
  ReplacingFile(const ReplacingFile&) = delete;
  ReplacingFile& operator=(const ReplacingFile&) = delete;

  void write(std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t written = ::write(fd_, bytes.data(), bytes.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) fail("written");
      bytes.remove_prefix(static_cast<size_t>(written));
    }
  }

  void publish() {
    // mkostemp's files are for their owner alone; a pack is as readable as any file one makes.
    const mode_t mask = ::umask(0);
    ::umask(mask);
    if (::fchmod(fd_, 0666 & ~mask) != 0 || ::fsync(fd_) != 0) fail("written");
    if (::rename(temporary_.c_str(), path_.c_str()) != 0) fail("made");
    ::close(std::exchange(fd_, -1));
  }

 private:
  [[noreturn]] void fail(const char* what) {
    const int code = errno;
    throw Error(ErrorCode::cannot_create,
                fmt::format("the pack '{}' cannot be {}: {}", path_.string(), what, std::strerror(code)));
  }

  std::filesystem::path path_;
  std::string temporary_;
  int fd_ = -1;
};

}  // namespace

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
  ReplacingFile file(path);
  file.write(content);
  file.publish();
  return content.size();
}

}  // namespace gumtile
