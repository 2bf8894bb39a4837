#include "files/posix_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/random.h>
#include <sys/stat.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <ctime>

namespace gumtile::files {
namespace {

std::string path_of_descriptor(int file) { return fmt::format("/proc/self/fd/{}", file); }

std::string temporary_name() { return fmt::format(".gumtile-{}-{:016x}.tmp", getpid(), random_bits()); }

/// Gives `file` the permissions of the file that it replaces and, as far as this process may, its owner and
/// group. A user who could not read that file cannot read this one.
int take_permissions(int file, const struct stat& former) {
  constexpr mode_t kAccess = S_IRWXU | S_IRWXG | S_IRWXO;
  mode_t mode = former.st_mode & kAccess;
  struct stat own {};
  if (fstat(file, &own) != 0) return errno;
  const bool same_group = own.st_gid == former.st_gid || fchown(file, uid_t(-1), former.st_gid) == 0;
  if (!same_group)
    mode = (mode & ~S_IRWXG) | (mode & (mode << 3) & S_IRWXG);  // the group gets at most what others may do
  if (own.st_uid != former.st_uid && fchown(file, former.st_uid, gid_t(-1)) != 0 && errno != EPERM)
    return errno;
  return fchmod(file, mode) == 0 ? 0 : errno;
}

}  // namespace

int write_all(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return 0;
}

int write_all(int file, std::span<const std::byte> bytes) {
  return write_all(file, std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

int sync(int file) {
  while (fsync(file) != 0)
    if (errno != EINTR) return errno;
  return 0;
}

uint64_t random_bits() {
  uint64_t bits = 0;
  if (getrandom(&bits, sizeof(bits), GRND_NONBLOCK) == sizeof(bits)) return bits;
  // Early in the boot there is no randomness yet. A collision only costs another try.
  static std::atomic<uint64_t> calls{0};
  timespec now{};
  clock_gettime(CLOCK_REALTIME, &now);
  return (static_cast<uint64_t>(now.tv_nsec) << 32) + ++calls;
}

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

NewFile::NewFile(int folder, mode_t mode) : folder_(folder) {
  // Without /proc, a file without a name could not be given one.
  if (access("/proc/self/fd", X_OK) == 0)
    file_ = FileDescriptor(openat(folder, ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, mode));
  // Not every file system supports O_TMPFILE, and each reports that in its own way. Other errors occur again
  // below.
  if (!file_.is_open()) open_with_a_name(mode);
}

NewFile::~NewFile() {
  if (!temporary_.empty()) unlinkat(folder_, temporary_.c_str(), 0);
}

void NewFile::open_with_a_name(mode_t mode) {
  do {
    temporary_ = temporary_name();
    file_ = FileDescriptor(
        openat(folder_, temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode));
  } while (!file_.is_open() && (errno == EEXIST || errno == EINTR));
  if (file_.is_open()) return;
  error_ = errno;
  temporary_.clear();
}

int NewFile::link_as(const std::string& name) const {
  const std::string source = path_of_descriptor(file_.get());
  return linkat(AT_FDCWD, source.c_str(), folder_, name.c_str(), AT_SYMLINK_FOLLOW) == 0 ? 0 : errno;
}

int NewFile::take_name(const std::string& name) {
  if (temporary_.empty()) {
    // A link cannot replace an existing file, but a rename can.
    if (const int error = link_as(name); error != EEXIST) return error;
    int error = EEXIST;
    while (error == EEXIST) {
      temporary_ = temporary_name();
      error = link_as(temporary_);
    }
    if (error != 0) {
      temporary_.clear();
      return error;
    }
  }
  if (renameat(folder_, temporary_.c_str(), folder_, name.c_str()) != 0) return errno;
  temporary_.clear();
  return 0;
}

int replace_file(const std::string& path, std::span<const std::string_view> parts, mode_t mode) {
  const FileDescriptor folder(open(folder_of(path).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!folder.is_open()) return errno;
  NewFile file(folder.get(), mode);
  if (!file.is_open()) return file.error();
  for (const std::string_view part : parts)
    if (const int error = write_all(file.get(), part); error != 0) return error;
  const std::string name = path.substr(path.rfind('/') + 1);
  struct stat former {};
  if (fstatat(folder.get(), name.c_str(), &former, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(former.st_mode))
    if (const int error = take_permissions(file.get(), former); error != 0) return error;
  if (const int error = sync(file.get()); error != 0) return error;
  return file.take_name(name);
}

int replace_file(const std::string& path, std::string_view bytes, mode_t mode) {
  return replace_file(path, std::span(&bytes, 1), mode);
}

}  // namespace gumtile::files
