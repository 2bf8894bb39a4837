#include "runtime/cpu/mapped_memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

namespace gumtile::cpu {

bool is_mapped(const void* data, size_t bytes) noexcept {
  const long page_bytes = sysconf(_SC_PAGESIZE);
  if (bytes == 0 || page_bytes <= 0) return true;
  const auto address = reinterpret_cast<uintptr_t>(data);
  const uintptr_t start = address - address % static_cast<uintptr_t>(page_bytes);
  if (address + bytes < address) return false;
  const int before = errno;
  // Since Linux 2.6.19 MS_ASYNC only looks for gaps: msync(2).
  const bool has_gap =
      msync(reinterpret_cast<void*>(start), address - start + bytes, MS_ASYNC) != 0 && errno == ENOMEM;
  errno = before;
  return !has_gap;
}

}  // namespace gumtile::cpu
