#include "runtime/io/output_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <system_error>
#include <utility>

#include "fault.h"
#include "files/posix_file.h"

namespace gumtile::io {
namespace {

constexpr int kMaxLinks = 40;  // the most that Linux follows in one path

/// If a reader has gone, that is an error (EPIPE) here, and not a signal that ends the process.
class NoPipeSignal {
 public:
  NoPipeSignal() {
    sigset_t pending;
    sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGPIPE) == 1;
    const sigset_t pipe = only_pipe();
    pthread_sigmask(SIG_BLOCK, &pipe, &before_);
  }
  ~NoPipeSignal() {
    const sigset_t pipe = only_pipe();
    const timespec none{};
    if (!was_pending_)
      while (sigtimedwait(&pipe, nullptr, &none) < 0 && errno == EINTR) continue;
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  NoPipeSignal(const NoPipeSignal&) = delete;
  NoPipeSignal& operator=(const NoPipeSignal&) = delete;

 private:
  static sigset_t only_pipe() {
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGPIPE);
    return set;
  }

  sigset_t before_{};
  bool was_pending_ = false;
};

int write_parts(int file, std::span<const std::string_view> parts) {
  const NoPipeSignal held;
  for (const std::string_view part : parts)
    if (const int error = files::write_all(file, part); error != 0) return error;
  return 0;
}

/// The descriptor of this process that "/dev/stdout", "/dev/fd/3" or "/proc/self/fd/3" stands for; -1: none.
int descriptor_named(const std::string& link) {
  std::error_code ignored;
  if (!std::filesystem::equivalent(files::folder_of(link), "/proc/self/fd", ignored)) return -1;
  const std::string name = link.substr(link.rfind('/') + 1);
  if (name.empty() || name.size() > 9 || name.find_first_not_of("0123456789") != std::string::npos) return -1;
  return std::atoi(name.c_str());
}

bool is_writable(const std::string& path) { return faccessat(AT_FDCWD, path.c_str(), W_OK, AT_EACCESS) == 0; }

/// Whether only the folder, or a mount on the file, keeps a new file from replacing this one.
bool refuses_replacement(int error) {
  return error == EACCES || error == EPERM || error == EROFS || error == EBUSY;
}

std::string advice(int error) {
  switch (error) {
    case ENOENT:
      return "; make the folder first";
    case EACCES:
    case EPERM:
    case EROFS:
      return "; choose a folder and a file that you may write";
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
      return "; make space, or choose another disk";
    case EISDIR:
      return "; expected the name of a file";
    default:
      return "";
  }
}

}  // namespace

OutputFile::OutputFile(std::string path) : path_(std::move(path)) {
  follow_links();
  if (kind_ == Kind::regular) try_regular();
}

void OutputFile::follow_links() {
  target_ = path_;
  struct stat status {};
  for (int links = 0;; ++links) {
    if (lstat(target_.c_str(), &status) != 0) {
      if (errno != ENOENT || target_.empty() || target_.ends_with('/'))
        fail(target_.ends_with('/') ? EISDIR : errno);
      return;
    }
    if (!S_ISLNK(status.st_mode)) break;
    if (links == kMaxLinks) fail(ELOOP);
    if (const int named = descriptor_named(target_); named >= 0) {
      const int flags = fcntl(named, F_GETFL);
      if (flags < 0) fail(errno);
      if ((flags & O_ACCMODE) == O_RDONLY) fail(EBADF);
      kind_ = Kind::descriptor;
      descriptor_ = named;
      return;
    }
    std::string next(PATH_MAX, '\0');
    const ssize_t size = readlink(target_.c_str(), next.data(), next.size());
    if (size < 0) fail(errno);
    next.resize(static_cast<size_t>(size));
    target_ = next.starts_with('/') ? next : files::folder_of(target_) + "/" + next;
  }
  if (S_ISDIR(status.st_mode)) fail(EISDIR);
  if (S_ISSOCK(status.st_mode)) fail(ENXIO);
  if (!is_writable(target_)) fail(errno);
  exists_ = true;
  if (S_ISREG(status.st_mode)) return;
  kind_ = Kind::stream;
}

void OutputFile::try_regular() const {
  const files::FileDescriptor folder(
      open(files::folder_of(target_).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!folder.is_open()) fail(errno);
  const files::NewFile file(folder.get(), S_IRUSR | S_IWUSR);
  if (!file.is_open() && !(exists_ && refuses_replacement(file.error()))) fail(file.error());
}

void OutputFile::write(std::span<const std::string_view> parts) const {
  if (kind_ == Kind::descriptor) {
    if (const int error = write_parts(descriptor_, parts); error != 0) fail(error);
    return;
  }
  if (kind_ == Kind::stream) return write_over(parts);
  const int error = files::replace_file(target_, parts);
  if (error == 0) return;
  if (!refuses_replacement(error) || !is_writable(target_)) fail(error);
  write_over(parts);
}

void OutputFile::write(std::string_view bytes) const { write(std::span(&bytes, 1)); }

void OutputFile::write_over(std::span<const std::string_view> parts) const {
  files::FileDescriptor file;
  do {
    file = files::FileDescriptor(open(target_.c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC | O_NOCTTY));
  } while (!file.is_open() && errno == EINTR);
  if (!file.is_open()) fail(errno);
  if (const int error = write_parts(file.get(), parts); error != 0) fail(error);
  if (close(file.release()) != 0) fail(errno);  // network file systems report only now that there is no space
}

void OutputFile::fail(int error) const {
  if (path_.empty()) throw Error(ErrorCode::cannot_create, "the name of an output file is empty");
  throw Error(ErrorCode::cannot_create, fmt::format("{}: cannot be written: {}{}", in_quotes(path_),
                                                    std::generic_category().message(error), advice(error)));
}

}  // namespace gumtile::io
