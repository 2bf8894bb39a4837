#pragma once

#include <sys/types.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>

/// What every writer of files needs from the system. Failures are returned as errno values, since their
/// meaning differs: failing to write a cache entry is a miss, but failing to write a result is an error.
namespace gumtile::files {

/// Owns a file descriptor; negative: none.
class FileDescriptor {
 public:
  explicit FileDescriptor(int fd = -1) : fd_(fd) {}
  ~FileDescriptor() {
    if (fd_ >= 0) close(fd_);
  }
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }

  int get() const { return fd_; }
  bool is_open() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

/// Writes all of `bytes`; 0 or an errno.
int write_all(int file, std::string_view bytes);
int write_all(int file, std::span<const std::byte> bytes);

/// Waits until what was written is on the disk; 0 or an errno.
int sync(int file);

/// Random bits for names that no other process uses. Process ids do not suffice: processes in different
/// containers may share folders and have the same ids.
uint64_t random_bits();

/// The folder of a path's last name, "." if the path has no folder.
std::string folder_of(const std::string& path);

/// A new file in a folder, which is not visible until it takes its name. On file systems that support files
/// without a name (O_TMPFILE), nothing is left behind however the process ends. On others, nothing is left
/// behind if this object is destroyed.
class NewFile {
 public:
  /// `mode` is as for open(2), so the process's umask applies to it. `folder` must stay open. Afterwards
  /// either `is_open()` holds or `error()` is an errno.
  NewFile(int folder, mode_t mode);
  ~NewFile();
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;

  bool is_open() const { return file_.is_open(); }
  int error() const { return error_; }
  int get() const { return file_.get(); }

  /// Replaces any file of this name in the folder, atomically; 0 or an errno.
  int take_name(const std::string& name);

 private:
  void open_with_a_name(mode_t mode);
  int link_as(const std::string& name) const;

  int folder_;
  FileDescriptor file_;
  std::string temporary_;  ///< the file's temporary name in the folder; empty: it has none
  int error_ = 0;
};

/// Atomically replaces the content of the file at `path` by `parts`, one after another. A process that has a
/// previous file of that name open or mapped keeps it, and no process sees a part of the new one. The new
/// file is on the disk before it takes the name. It takes over the permissions of a previous file; without
/// one, they are `mode` under the umask. A symbolic link at `path` is itself replaced. Returns 0, or the
/// errno of a failure, after which nothing has changed.
int replace_file(const std::string& path, std::span<const std::string_view> parts, mode_t mode = 0666);
int replace_file(const std::string& path, std::string_view bytes, mode_t mode = 0666);

}  // namespace gumtile::files
