#pragma once

#include <cstdint>

namespace gumtile::test {

/// Calls of malloc, calloc, realloc and similar functions (including operator new) in this process, by all
/// threads, since its start. Counted if the binary links counters.cpp.
std::uint64_t allocations();

/// Counts the system calls that this thread makes while it lives: each is caught by the kernel's syscall user
/// dispatch, counted and then made. Only for the constructing thread; one at a time.
class SyscallCounter {
 public:
  SyscallCounter();
  ~SyscallCounter();
  SyscallCounter(const SyscallCounter&) = delete;
  SyscallCounter& operator=(const SyscallCounter&) = delete;

  bool works() const { return works_; }  ///< whether the kernel supports this
  std::uint64_t count() const;
  long first() const;  ///< the number of the first one, to look up

 private:
  bool works_ = false;
};

}  // namespace gumtile::test
