#pragma once

#include <cstddef>

namespace gumtile::cpu {

/// Whether this process has memory at every address from `data` to `data` + `bytes`. Does not check whether
/// it may be read or written. One system call, which touches no page. True if the system cannot say.
bool is_mapped(const void* data, size_t bytes) noexcept;

}  // namespace gumtile::cpu
