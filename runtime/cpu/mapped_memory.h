#pragma once

#include <cstddef>

namespace gumtile::cpu {

/// Whether this process has memory at every address from `data` to `data` + `bytes`. That it may be read or
/// written is not asked. One system call that looks at no page. True where the system cannot tell.
bool is_mapped(const void* data, size_t bytes) noexcept;

}  // namespace gumtile::cpu
