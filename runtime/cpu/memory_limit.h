#pragma once

#include <cstdint>
#include <string>

namespace gumtile::cpu {

/// The memory that this process may have in all: the machine's, or less if a control group says so (a
/// container's limit). 0 if the system does not tell. Thread safe.
uint64_t memory_limit_bytes();

/// Why so many more bytes of memory would not fit now into what the machine and control groups have left,
/// with the limit at fault; empty if they would. A system that overcommits hands memory out all the same, and
/// ends the process when it is filled. Reads files: for large amounts, not for every allocation. Thread safe.
std::string why_not_enough_memory(uint64_t bytes);

}  // namespace gumtile::cpu
