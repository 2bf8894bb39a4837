#pragma once

#include <cstddef>
#include <span>

/// Which files this process has mapped, in a form that a signal handler may read. Where a file is cut short
/// while it is mapped, touching what is gone raises SIGBUS with an address and nothing else.
namespace gumtile::io {

/// Notes a mapping. `name`, a C string, must live until it is taken away. Returns the place it was noted in,
/// -1 if there are more mappings than places: it then has no name. Thread safe, lock-free.
int add_mapping(std::span<const std::byte> range, const char* name) noexcept;
void remove_mapping(int place) noexcept;

/// The name of the mapping that `address` lies in; null if there is none. Async-signal-safe.
const char* mapping_name(const void* address) noexcept;

}  // namespace gumtile::io
