#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "gumtile/artifact.h"

namespace gumtile::cache {

/// The version of the entry format; entries of another one are not read.
inline constexpr uint32_t kEntryFormat = 2;

/// One self-contained entry: magic, XXH3-128 of all that follows, format version, sizes, the full key text,
/// metadata (JSON), the code, the cubin beside it. Throws std::exception where a text of the artifact is no
/// UTF-8.
std::string encode_entry(std::string_view key_text, const KernelArtifact& artifact);

struct Entry {
  std::string key_text;
  KernelArtifact artifact;
};

/// Nothing where a single bit of `bytes` is not as it was written, or where they are more or fewer. Throws
/// only std::bad_alloc.
std::optional<Entry> decode_entry(std::string_view bytes);

/// Whether `bytes` are an undamaged entry of another format: of use to another gumtile, not to this one.
bool is_of_other_format(std::string_view bytes);

/// "ptx", "cubin" or "shared_object", and back; nothing for another text.
std::string_view format_name(KernelArtifact::Format format);
std::optional<KernelArtifact::Format> parse_format(std::string_view text);

}  // namespace gumtile::cache
