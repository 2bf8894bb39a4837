#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gumtile::cache {

/// A file of the cache as it was when the folder was read; it may have been removed since.
struct ListedFile {
  std::string name;
  bool temporary = false;
  uint64_t bytes = 0;
  int64_t used = 0;  ///< seconds since 1970
  int64_t used_ns = 0;
};

/// The entries and temporary files in a folder, without folders and files with other names.
std::vector<ListedFile> list_files(int folder);

/// Whether no writer is working on a temporary file any more.
bool is_abandoned(int folder, const std::string& temporary);

/// Removes least recently used entries until the sum of all is 90% of `max_bytes`, if it is more than
/// `max_bytes`, and abandoned temporary files that are more than an hour old. `keep`, the name of an entry,
/// stays. Other processes may be doing the same: a file that is already gone counts as removed.
void tidy(int folder, uint64_t max_bytes, const std::string& keep);

}  // namespace gumtile::cache
