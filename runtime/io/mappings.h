#pragma once

#include <cstddef>
#include <span>

/// Which files this process has mapped, in a form that a signal handler may read. If a file is truncated
/// while it is mapped, touching the missing part raises SIGBUS with only an address.
namespace gumtile::io {

/// Records a mapping. `name`, a C string, must be valid until the mapping is removed. Returns the place in
/// which it was recorded, or -1 if there are more mappings than places: it then has no name. Thread safe,
/// lock-free.
int add_mapping(std::span<const std::byte> range, const char* name) noexcept;
void remove_mapping(int place) noexcept;

/// The name of the mapping that contains `address`; null if there is none. Async-signal-safe.
const char* mapping_name(const void* address) noexcept;

}  // namespace gumtile::io
