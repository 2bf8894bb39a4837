#include "runtime/cache/listing.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <memory>
#include <tuple>

#include "files/posix_file.h"
#include "runtime/cache/names.h"

namespace gumtile::cache {
namespace {

constexpr int64_t kStaleSeconds = 3600;

struct CloseFolder {
  void operator()(DIR* stream) const { closedir(stream); }
};

/// When an entry counts as used. A time far in the future comes from a wrong clock: it says nothing, and must
/// not keep an entry for years; the next use corrects it. Within an hour, it may come from another machine's
/// clock.
auto last_use(const ListedFile& file, int64_t now) {
  const bool meaningless = file.used > now + kStaleSeconds;
  return std::tuple(!meaningless, file.used, file.used_ns);
}

/// Writers take milliseconds; if locks do not work, only this protects them. A time in the future counts like
/// one equally far in the past.
bool is_stale(const ListedFile& file, int64_t now) {
  return file.used < now - kStaleSeconds || file.used > now + kStaleSeconds;
}

}  // namespace

std::vector<ListedFile> list_files(int folder) {
  std::vector<ListedFile> files;
  // A separate descriptor: the position in a folder belongs to the open file.
  files::FileDescriptor copy(openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!copy.is_open()) return files;
  const std::unique_ptr<DIR, CloseFolder> stream(fdopendir(copy.get()));
  if (stream == nullptr) return files;
  copy.release();
  while (const dirent* item = readdir(stream.get())) {
    const std::string name = item->d_name;
    const bool temporary = is_temporary_name(name);
    struct stat status {};
    if ((!temporary && !is_entry_name(name)) ||
        fstatat(folder, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0 || S_ISDIR(status.st_mode))
      continue;
    files.push_back({name, temporary, static_cast<uint64_t>(status.st_size), status.st_mtim.tv_sec,
                     status.st_mtim.tv_nsec});
  }
  return files;
}

bool is_abandoned(int folder, const std::string& temporary) {
  const files::FileDescriptor file(
      openat(folder, temporary.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  return !file.is_open() || flock(file.get(), LOCK_SH | LOCK_NB) == 0 || errno != EWOULDBLOCK;
}

void tidy(int folder, uint64_t max_bytes, const std::string& keep) {
  const int64_t now = std::time(nullptr);
  std::vector<ListedFile> entries;
  uint64_t sum = 0;
  for (ListedFile& file : list_files(folder)) {
    if (!file.temporary) {
      sum += file.bytes;
      if (file.name != keep) entries.push_back(std::move(file));
    } else if (is_stale(file, now) && is_abandoned(folder, file.name)) {
      unlinkat(folder, file.name.c_str(), 0);
    }
  }
  if (sum <= max_bytes) return;
  // Somewhat below the limit, so that not every store has to remove something.
  const uint64_t target = max_bytes - max_bytes / 10;
  std::sort(entries.begin(), entries.end(),
            [now](const ListedFile& a, const ListedFile& b) { return last_use(a, now) < last_use(b, now); });
  for (const ListedFile& entry : entries) {
    if (sum <= target) break;
    if (unlinkat(folder, entry.name.c_str(), 0) == 0 || errno == ENOENT) sum -= entry.bytes;
  }
}

}  // namespace gumtile::cache
