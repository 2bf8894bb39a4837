#include "mappings.h"

#include <array>
#include <atomic>
#include <cstdint>

namespace gumtile::io {
namespace {

struct Place {
  std::atomic<bool> taken{false};
  std::atomic<uintptr_t> begin{0};  ///< stored last and cleared first; 0: the place is unused
  std::atomic<uintptr_t> end{0};
  std::atomic<const char*> name{nullptr};
};

static_assert(std::atomic<uintptr_t>::is_always_lock_free && std::atomic<const char*>::is_always_lock_free,
              "a signal handler must not wait for the thread that it interrupted");

std::array<Place, 256> places;

}  // namespace

int add_mapping(std::span<const std::byte> range, const char* name) noexcept {
  for (size_t i = 0; i < places.size(); ++i) {
    Place& place = places[i];
    if (place.taken.exchange(true)) continue;
    const auto begin = reinterpret_cast<uintptr_t>(range.data());
    place.name = name;
    place.end = begin + range.size();
    place.begin = begin;
    return static_cast<int>(i);
  }
  return -1;
}

void remove_mapping(int index) noexcept {
  if (index < 0) return;
  Place& place = places[static_cast<size_t>(index)];
  place.begin = 0;
  place.taken = false;
}

const char* mapping_name(const void* address) noexcept {
  const auto wanted = reinterpret_cast<uintptr_t>(address);
  for (const Place& place : places) {
    const uintptr_t begin = place.begin;
    if (begin != 0 && begin <= wanted && wanted < place.end) return place.name;
  }
  return nullptr;
}

}  // namespace gumtile::io
