#pragma once

#include <string>
#include <string_view>

namespace gumtile::cache {

/// The file that holds the entry of `key_text`: its hash, ".gtk".
std::string entry_name(std::string_view key_text);

/// A name that no other writer uses, for a file that becomes `entry` when it is complete:
/// ".<entry>.<process>-<random>.tmp".
std::string temporary_name(std::string_view entry);

/// Whether a file is the cache's, to count and to remove. All other files in the folder are left alone.
bool is_entry_name(std::string_view name);
bool is_temporary_name(std::string_view name);

}  // namespace gumtile::cache
