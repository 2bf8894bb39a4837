#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace gumtile::io {

/// A file for a result, at a path that a user chose. The kind of file stays the same: a device, a named pipe
/// or /dev/stdout is written to; a symbolic link stays and its target is replaced; and a file that replaces
/// another one takes over its permissions. A regular file is replaced atomically if its folder allows that,
/// and overwritten otherwise.
class OutputFile {
 public:
  /// Checks whether the path can be written, without changing anything. To be called before long work. Throws
  /// Error(cannot_create) that names the path, what is wrong and what to do.
  explicit OutputFile(std::string path);

  /// As given.
  const std::string& path() const { return path_; }
  /// Whether the written data can be read again at this path: not a device, pipe or descriptor.
  bool is_regular() const { return kind_ == Kind::regular; }
  /// Whether the path names this process's standard output ("/dev/stdout", "/proc/self/fd/1").
  bool is_stdout() const { return kind_ == Kind::descriptor && descriptor_ == 1; }

  /// Makes `parts`, one after another, its content, even if it was changed meanwhile. Waits until a pipe has
  /// a reader. Throws Error(cannot_create); a regular file is then unchanged, unless it could not be replaced
  /// and had to be overwritten. Nothing else is left behind, however the process ends.
  void write(std::span<const std::string_view> parts) const;
  void write(std::string_view bytes) const;

 private:
  enum class Kind : uint8_t {
    regular,     ///< or nothing yet
    stream,      ///< a device or a pipe, opened by its path
    descriptor,  ///< one that this process has open
  };

  void follow_links();
  void try_regular() const;
  void write_over(std::span<const std::string_view> parts) const;
  [[noreturn]] void fail(int error) const;

  std::string path_;
  std::string target_;  ///< the target of links
  Kind kind_ = Kind::regular;
  int descriptor_ = -1;
  bool exists_ = false;
};

}  // namespace gumtile::io
