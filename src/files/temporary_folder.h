#pragma once

#include <string>

namespace gumtile::files {

/// The folder for temporary files: TMPDIR if that names a folder in which this process may create files,
/// otherwise /tmp.
std::string folder_for_temporaries();

/// A new folder, with mode 0700. The destructor removes it with its contents.
class TemporaryFolder {
 public:
  /// The folder's name begins with `prefix`. Throws Error(cannot_create) whose message names the parent
  /// folder and TMPDIR.
  explicit TemporaryFolder(const std::string& prefix = "gumtile");
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::string& path() const { return path_; }
  std::string file(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

}  // namespace gumtile::files
