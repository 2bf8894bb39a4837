#pragma once

#include <cstdint>
#include <string>

namespace gumtile::cpu {

/// The memory that this process may have in total: the machine's, or less if a control group limits it (a
/// container's limit). 0 if the system does not say. Thread safe.
uint64_t memory_limit_bytes();

/// Why `bytes` more memory would not fit now into what the machine and control groups have left, naming the
/// limit; empty if it would fit. A system that overcommits allocates memory nevertheless, and kills the
/// process when the memory is filled. Reads files: for large amounts, not for every allocation. Thread safe.
std::string why_not_enough_memory(uint64_t bytes);

}  // namespace gumtile::cpu
