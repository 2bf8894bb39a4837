#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "gumtile/artifact.h"

namespace gumtile::cache {

struct Lookup {
  std::optional<KernelArtifact> artifact;
  bool rejected = false;  ///< the file in the entry's place is not the entry
};

/// Reads the entry of `key_text` from the folder and records the time of use. It is accepted only if it is a
/// regular file of this user that nobody else can write, undamaged, and of exactly this key. Damaged files
/// are removed; entries of another format, and files larger than `max_bytes`, are left alone.
Lookup look_up(int folder, std::string_view key_text, uint64_t max_bytes);

}  // namespace gumtile::cache
