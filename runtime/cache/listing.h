#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace gumtile::cache {

/// A file of the cache as it was when the folder was read; it may be gone since.
struct ListedFile {
  std::string name;
  bool temporary = false;
  uint64_t bytes = 0;
  int64_t used = 0;  ///< seconds since 1970
  int64_t used_ns = 0;
};

/// The entries and temporary files in a folder; no folders, and nothing with another name.
std::vector<ListedFile> list_files(int folder);

/// Whether no writer is at work on a temporary file any more.
bool is_abandoned(int folder, const std::string& temporary);

/// Removes least recently used entries until the sum of all is 90% of `max_bytes`, if it is more than
/// `max_bytes`, and abandoned temporary files that are more than an hour old. `keep`, the name of an entry,
/// stays. Others may be doing the same: what is gone already counts as removed.
void tidy(int folder, uint64_t max_bytes, const std::string& keep);

}  // namespace gumtile::cache
