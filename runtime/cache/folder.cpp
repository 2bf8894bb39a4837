#include "runtime/cache/folder.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <deque>
#include <string_view>
#include <system_error>

namespace gumtile::cache {
namespace {

using files::FileDescriptor;

constexpr int kMaxLinks = 40;  // the most that Linux follows in one path
constexpr mode_t kOthersWrite = S_IWGRP | S_IWOTH;

OpenFolder refused(std::string reason) {
  return {OpenFolder::State::refused, FileDescriptor(), std::move(reason)};
}

OpenFolder refused(std::string_view what, int error) {
  return refused(fmt::format("{}: {}", what, std::generic_category().message(error)));
}

/// The names along a path, without empty ones and ".", so that a trailing "/" cannot cause a link to be
/// followed.
std::deque<std::string> names_along(std::string_view path) {
  std::deque<std::string> names;
  while (!path.empty()) {
    const size_t end = std::min(path.find('/'), path.size());
    const std::string_view name = path.substr(0, end);
    if (!name.empty() && name != ".") names.emplace_back(name);
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return names;
}

/// O_PATH: folders above the cache need not be readable, and a link itself is opened.
FileDescriptor open_path(int folder, const char* name, int flags) {
  return FileDescriptor(openat(folder, name, O_PATH | O_CLOEXEC | flags));
}

FileDescriptor open_root() { return open_path(AT_FDCWD, "/", O_DIRECTORY); }

bool only_root_and_we_write(int folder) {
  struct stat status {};
  return fstat(folder, &status) == 0 && (status.st_uid == 0 || status.st_uid == geteuid()) &&
         (status.st_mode & kOthersWrite) == 0;
}

/// What is wrong with the folder itself; empty if nothing is.
std::string why_not_ours(const struct stat& status) {
  if (!S_ISDIR(status.st_mode)) return "is not a folder";
  if (status.st_uid != geteuid())
    return fmt::format("belongs to user {}, expected this process's user {}", status.st_uid, geteuid());
  if ((status.st_mode & kOthersWrite) != 0)
    return fmt::format("can be written by others (mode {:04o}), expected mode 0700", status.st_mode & 07777U);
  return {};
}

/// Walks down a path, one step at a time; `rest` is what follows. Puts the names of a link's target before
/// `rest`.
class Walk {
 public:
  Walk(const std::filesystem::path& path, IfAbsent if_absent)
      : if_absent_(if_absent), here_(open_root()), rest_(names_along(path.native())) {}

  OpenFolder open() {
    if (!here_.is_open()) return refused("cannot be reached", errno);
    while (!rest_.empty())
      if (OpenFolder end = step(); end.state != OpenFolder::State::usable) return end;
    return arrive();
  }

 private:
  /// Follows one name. "usable" means usable so far.
  OpenFolder step() {
    const std::string name = rest_.front();
    FileDescriptor next = open_path(here_.get(), name.c_str(), O_NOFOLLOW);
    if (!next.is_open() && errno == ENOENT) {
      if (if_absent_ == IfAbsent::leave) return {OpenFolder::State::absent, FileDescriptor(), {}};
      // Another process may be creating it at the same time.
      if (mkdirat(here_.get(), name.c_str(), S_IRWXU) != 0 && errno != EEXIST)
        return refused("cannot be made", errno);
      next = open_path(here_.get(), name.c_str(), O_NOFOLLOW);
    }
    if (!next.is_open()) return refused("cannot be opened", errno);
    struct stat status {};
    if (fstat(next.get(), &status) != 0) return refused("cannot be examined", errno);
    rest_.pop_front();
    if (S_ISLNK(status.st_mode)) return follow(name, next.get());
    if (!S_ISDIR(status.st_mode)) return refused(fmt::format("is not one: '{}' is not a folder", name));
    here_ = std::move(next);
    return {OpenFolder::State::usable, FileDescriptor(), {}};
  }

  OpenFolder follow(const std::string& name, int link) {
    if (rest_.empty()) return refused("is a symbolic link, expected the folder itself");
    if (!only_root_and_we_write(here_.get()))
      return refused(
          fmt::format("is reached through the symbolic link '{}', which others could have made", name));
    if (++links_ > kMaxLinks) return refused("is reached through too many symbolic links");
    std::string target(PATH_MAX, '\0');
    const ssize_t size = readlinkat(link, "", target.data(), target.size());
    if (size < 0) return refused("cannot be reached", errno);
    target.resize(static_cast<size_t>(size));
    if (target.starts_with('/')) here_ = open_root();
    if (!here_.is_open()) return refused("cannot be reached", errno);
    const std::deque<std::string> names = names_along(target);
    rest_.insert(rest_.begin(), names.begin(), names.end());
    return {OpenFolder::State::usable, FileDescriptor(), {}};
  }

  OpenFolder arrive() {
    struct stat status {};
    if (fstat(here_.get(), &status) != 0) return refused("cannot be examined", errno);
    if (std::string reason = why_not_ours(status); !reason.empty()) return refused(std::move(reason));
    FileDescriptor folder(openat(here_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder.is_open()) return refused("cannot be opened", errno);
    return {OpenFolder::State::usable, std::move(folder), {}};
  }

  IfAbsent if_absent_;
  FileDescriptor here_;
  std::deque<std::string> rest_;
  int links_ = 0;
};

}  // namespace

OpenFolder open_folder(const std::filesystem::path& path, IfAbsent if_absent) {
  return Walk(path, if_absent).open();
}

}  // namespace gumtile::cache
