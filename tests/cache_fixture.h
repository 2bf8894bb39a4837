#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "gumtile/module_cache.h"

/// What the tests of the cache share: a temporary folder, artifacts to store, and child processes.
namespace gumtile::test {

/// A new folder in the system's temporary folder, removed with its contents.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

/// An artifact in which every field has a different value, with `code_bytes` bytes of code, all of them
/// `fill`.
KernelArtifact some_artifact(size_t code_bytes = 100, char fill = 'x');
bool equal(const KernelArtifact& a, const KernelArtifact& b);

/// A cache with nothing in memory, and the warnings that it gave.
struct FreshCache {
  explicit FreshCache(const std::filesystem::path& folder, uint64_t max_bytes = uint64_t{1} << 30);
  std::vector<std::string> warnings;
  ModuleCache cache;
};

std::string read_file(const std::filesystem::path& path);
/// With mode 0600.
void write_file(const std::filesystem::path& path, std::string_view bytes);
/// Names, sorted, including hidden ones.
std::vector<std::string> files_in(const std::filesystem::path& folder);
/// Where a cache keeps the entry of a key.
std::filesystem::path entry_path(const std::filesystem::path& folder, std::string_view key_text);
/// Sets the time of last use, in seconds from now.
void set_age(const std::filesystem::path& path, long seconds_from_now);

/// Runs `body` in a child process. Returns its result (0 to 255), or minus the signal that ended it.
int in_child(const std::function<int()>& body);
/// The same, but only starts it, so that many can run at once.
int start_child(const std::function<int()>& body);
int wait_for_child(int child);
/// In a child: becomes a user without privileges, if this is root.
void become_nobody();

}  // namespace gumtile::test
