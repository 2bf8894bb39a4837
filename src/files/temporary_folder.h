#pragma once

#include <string>

namespace gumtile::files {

/// Where temporary files go: TMPDIR if that names a folder in which this process may create files, else /tmp.
std::string folder_for_temporaries();

/// A new folder, with mode 0700, that is removed with its contents.
class TemporaryFolder {
 public:
  /// The folder's name begins with `prefix`. Throws Error(cannot_create) that names the folder and TMPDIR.
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
