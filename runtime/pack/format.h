#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "gumtile/pack.h"

namespace gumtile::pack {

/// The version of the file format; files of other versions are not read.
inline constexpr uint32_t kPackFormat = 1;

/// An entry of the index, and where its bytes are.
struct IndexEntry {
  PackEntry entry;
  std::string key;      ///< hash_hex of the plan's key_text
  std::string hash;     ///< hash_hex of the bytes
  uint64_t offset = 0;  ///< from the end of the index
};

struct Index {
  PackDescription description;
  std::vector<IndexEntry> entries;
  std::vector<std::string> tuning_records;
};

/// The JSON text of an index.
std::string index_text(const Index& index);

/// A file's start, up to and including the index: magic, XXH3-128 of the rest of this start, format version,
/// the sizes of the index and of the file, the index.
std::string file_start(std::string_view index, uint64_t entries_bytes);

struct OpenedFile {
  Index index;
  std::string hash;  ///< 32 hex digits over the index, hence over the hashes of all entries
  std::string_view entries;
};
/// Verifies everything but the entries' bytes; their ranges are within `entries`. Throws Error(bad_data)
/// about `file`.
OpenedFile read_file(std::string_view bytes, const std::string& file);

}  // namespace gumtile::pack
