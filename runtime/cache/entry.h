#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "gumtile/artifact.h"

namespace gumtile::cache {

/// The version of the entry format; entries of other versions are not read.
inline constexpr uint32_t kEntryFormat = 2;

/// One self-contained entry: magic, XXH3-128 of everything after it, format version, sizes, the full key
/// text, metadata (JSON), the code, the cubin if there is one. Throws std::exception if a text of the
/// artifact is not UTF-8.
std::string encode_entry(std::string_view key_text, const KernelArtifact& artifact);

struct Entry {
  std::string key_text;
  KernelArtifact artifact;
};

/// Returns nothing if a single bit of `bytes` differs from what was written, or if there are more or fewer.
/// Throws only std::bad_alloc.
std::optional<Entry> decode_entry(std::string_view bytes);

/// Whether `bytes` are an undamaged entry of another format: of use to another gumtile, not to this one.
bool is_of_other_format(std::string_view bytes);

/// "ptx", "cubin" or "shared_object", and back; nothing for any other text.
std::string_view format_name(KernelArtifact::Format format);
std::optional<KernelArtifact::Format> parse_format(std::string_view text);

}  // namespace gumtile::cache
