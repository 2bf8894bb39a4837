#pragma once

#include <cstdint>

namespace gumtile::cpu {

/// The number of forks between this process and the one that first called `watch_forks`. Threads and CUDA
/// contexts do not survive a fork: objects created in an earlier generation must not be used.
uint32_t fork_generation() noexcept;

/// Starts counting, once per process. Thread safe.
void watch_forks();

/// Remembers the generation in which it was created.
class ForkMark {
 public:
  ForkMark() {
    watch_forks();
    generation_ = fork_generation();
  }
  /// Whether this process is a child of the one that created the mark.
  bool forked() const noexcept { return fork_generation() != generation_; }

 private:
  uint32_t generation_ = 0;
};

}  // namespace gumtile::cpu
