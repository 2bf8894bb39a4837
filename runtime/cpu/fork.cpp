#include "runtime/cpu/fork.h"

#include <pthread.h>

#include <atomic>
#include <mutex>

namespace gumtile::cpu {
namespace {

std::atomic<uint32_t> generation{0};

}  // namespace

uint32_t fork_generation() noexcept { return generation.load(std::memory_order_relaxed); }

void watch_forks() {
  static std::once_flag once;
  std::call_once(once, [] {
    pthread_atfork(nullptr, nullptr, [] { generation.fetch_add(1, std::memory_order_relaxed); });
  });
}

}  // namespace gumtile::cpu
