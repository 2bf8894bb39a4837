#include <fmt/format.h>
#include <sys/file.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <iterator>

#include "files/posix_file.h"
#include "gumtile/error.h"
#include "gumtile/tuning.h"
#include "runtime/tune/digests_0_1.h"
#include "support/hash.h"

namespace gumtile {
namespace {

namespace fs = std::filesystem;

/// "nvidia-h200": lower case, with one hyphen for what is neither letter nor digit.
std::string slug(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 128 && std::isalnum(byte) != 0)
      out += static_cast<char>(std::tolower(byte));
    else if (!out.empty() && out.back() != '-')
      out += '-';
  }
  constexpr size_t kLongest = 48;
  out.resize(std::min(out.size(), kLongest));
  while (!out.empty() && out.back() == '-') out.pop_back();
  return out.empty() ? "device" : out;
}

[[noreturn]] void cannot_write(const fs::path& path, const std::string& why) {
  throw Error(ErrorCode::cannot_create,
              fmt::format("the tuning record '{}' cannot be written: {}", path.string(), why));
}

/// Until the end of the scope, other processes that save into the folder wait. On a file system without locks
/// they do not: then the last one to write wins, with what it has read before.
class FolderLock {
 public:
  explicit FolderLock(const fs::path& folder)
      : folder_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    while (folder_.is_open() && ::flock(folder_.get(), LOCK_EX) != 0 && errno == EINTR) {
    }
  }

 private:
  files::FileDescriptor folder_;
};

/// The record in a file; nothing if it is missing, cannot be read or is not a record: then it is rewritten.
std::optional<TuningRecord> read_record(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) return std::nullopt;
  const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  try {
    return parse_tuning_record(text, path.string());
  } catch (const Error&) {
    return std::nullopt;
  }
}

fs::path partial_of(const fs::path& path) { return path.string() + ".partial"; }

/// Readable, with a hash of the whole key; `program` is the name of the Program in a format.
std::string file_name(const TuningKey& key, std::string_view program) {
  const Problem& p = key.problem;
  const std::string all =
      fmt::format("{}\n{}\n{}\n{}\n{}\ncolumns {} from {}, contracted {}, rows {}, weights aligned to {}\n",
                  key.device_name, key.workers, key.memory_class, key.target, program, p.columns,
                  p.first_column, p.contracted, p.max_rows, p.weights_alignment);
  return fmt::format("{}-{}x{}-b{}-{}.json", slug(key.device_name), p.columns, p.contracted, p.max_rows,
                     hash_hex(all).substr(0, 16));
}

/// Where gumtile 0.1 wrote the record of a key; nothing if it had none for such Programs.
std::optional<fs::path> path_of_0_1(const fs::path& folder, const TuningKey& key) {
  const std::optional<std::string_view> digest = tune::digest_of_workload(key.workload);
  if (!digest) return std::nullopt;
  return folder / file_name(key, *digest);
}

/// A key's records in a folder.
struct KnownRecords {
  std::optional<TuningRecord> choosing, partial;
};

KnownRecords read_known(const fs::path& folder, const TuningKey& key) {
  const fs::path path = folder / tuning_file_name(key);
  KnownRecords known{read_record(path), read_record(partial_of(path))};
  if (const std::optional<fs::path> old = path_of_0_1(folder, key)) {
    if (!known.choosing) known.choosing = read_record(*old);
    if (!known.partial) known.partial = read_record(partial_of(*old));
  }
  return known;
}

/// Those that are comparable with `record`, merged.
std::optional<TuningRecord> merged(KnownRecords known, const TuningRecord& record) {
  if (known.choosing && !are_comparable(*known.choosing, record)) known.choosing.reset();
  if (known.partial && !are_comparable(*known.partial, record)) known.partial.reset();
  if (known.choosing && known.partial) return merge_tuning_records(*known.choosing, *known.partial);
  return known.choosing ? known.choosing : known.partial;
}

/// Whether a record of another compiler or driver replaces the one that chooses: it has to be about as
/// thorough, since versions do not offer exactly the same candidates.
bool replaces(const TuningRecord& known, const TuningRecord& found) {
  const auto decided = [](const TuningRecord& record) {
    return std::count_if(record.candidates.begin(), record.candidates.end(), is_decided);
  };
  return (found.complete || !known.complete) && 4 * decided(found) >= 3 * decided(known);
}

fs::path absolute_variable(const char* name) {
  const char* value = std::getenv(name);
  const fs::path path(value == nullptr ? "" : value);
  return path.is_absolute() ? path : fs::path();
}

}  // namespace

std::string tuning_file_name(const TuningKey& key) { return file_name(key, key.workload.str()); }

std::optional<TuningRecord> known_tuning(const fs::path& folder, const TuningRecord& record) {
  return merged(read_known(folder, record.key), record);
}

SavedTuning save_tuning_record(const fs::path& folder, const TuningRecord& record) {
  const fs::path chosen = folder / tuning_file_name(record.key);
  const fs::path partial = partial_of(chosen);
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) cannot_write(chosen, error.message());
  const FolderLock lock(folder);

  SavedTuning saved{chosen, record, true};
  const KnownRecords known = read_known(folder, record.key);
  if (const std::optional<TuningRecord> comparable = merged(known, record))
    saved.record = merge_tuning_records(*comparable, record);
  saved.chooses =
      !saved.record.winner.empty() &&
      (!known.choosing || are_comparable(*known.choosing, record) || replaces(*known.choosing, saved.record));
  if (!saved.chooses) saved.path = partial;
  if (const int code = files::replace_file(saved.path.string(), tuning_record_text(saved.record)); code != 0)
    cannot_write(saved.path, std::strerror(code));
  if (saved.chooses) fs::remove(partial, error);
  if (const std::optional<fs::path> old = path_of_0_1(folder, record.key)) {
    if (saved.chooses) fs::remove(*old, error);
    fs::remove(partial_of(*old), error);
  }
  return saved;
}

fs::path default_tuning_folder() {
  if (const char* own = std::getenv("GUMTILE_TUNING_DIR"); own != nullptr && *own != '\0') return own;
  if (const fs::path data = absolute_variable("XDG_DATA_HOME"); !data.empty())
    return data / "gumtile" / "tuning";
  if (const fs::path home = absolute_variable("HOME"); !home.empty())
    return home / ".local" / "share" / "gumtile" / "tuning";
  return {};
}

}  // namespace gumtile
