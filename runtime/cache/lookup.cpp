#include "runtime/cache/lookup.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>

#include "files/posix_file.h"
#include "runtime/cache/entry.h"
#include "runtime/cache/names.h"

namespace gumtile::cache {
namespace {

bool is_ours(const struct stat& status) {
  return S_ISREG(status.st_mode) && status.st_uid == geteuid() && (status.st_mode & (S_IWGRP | S_IWOTH)) == 0;
}

/// Up to `size` bytes; fewer if the file is shorter or reading fails.
std::string read_bytes(int file, size_t size) {
  std::string bytes(size, '\0');
  size_t done = 0;
  while (done < size) {
    const ssize_t count = read(file, bytes.data() + done, size - done);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) break;
    done += static_cast<size_t>(count);
  }
  bytes.resize(done);
  return bytes;
}

/// Removes the file that was opened as `name`, unless another process has replaced it since.
void remove_damaged(int folder, const std::string& name, const struct stat& opened) {
  struct stat status {};
  if (fstatat(folder, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 && status.st_ino == opened.st_ino &&
      status.st_dev == opened.st_dev)
    unlinkat(folder, name.c_str(), 0);
}

/// The time of last use is the time of modification: access times are often switched off, and backups change
/// them. A failure (read-only file system) does not matter.
void note_use(int file) { futimens(file, nullptr); }

Lookup rejected() { return {std::nullopt, true}; }

}  // namespace

Lookup look_up(int folder, std::string_view key_text, uint64_t max_bytes) {
  const std::string name = entry_name(key_text);
  // Opened without checking first whether it is there: it could be removed in between. O_NONBLOCK: a named
  // pipe must not block us.
  const files::FileDescriptor file(
      openat(folder, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
  if (!file.is_open()) return {std::nullopt, errno != ENOENT};
  struct stat status {};
  if (fstat(file.get(), &status) != 0 || !is_ours(status)) return rejected();
  if (std::cmp_greater(status.st_size, max_bytes)) return rejected();
  const std::string bytes = read_bytes(file.get(), static_cast<size_t>(status.st_size));
  std::optional<Entry> entry = decode_entry(bytes);
  if (!entry || entry->key_text != key_text) {
    if (!is_of_other_format(bytes)) remove_damaged(folder, name, status);
    return rejected();
  }
  note_use(file.get());
  return {std::move(entry->artifact), false};
}

}  // namespace gumtile::cache
