#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "gumtile/artifact.h"

namespace gumtile::cache {

/// The artifacts that this process loaded or stored last. Thread safe.
class MemoryEntries {
 public:
  explicit MemoryEntries(uint64_t max_bytes) : max_bytes_(max_bytes) {}

  /// Null if there is none.
  std::shared_ptr<const KernelArtifact> get(std::string_view key_text);
  /// Replaces an existing one. The least recently used are removed first; one larger than the limit is not
  /// kept.
  void put(std::string_view key_text, KernelArtifact artifact);
  void clear();

 private:
  struct Item {
    std::string key_text;
    std::shared_ptr<const KernelArtifact> artifact;
    uint64_t bytes = 0;
  };
  using Items = std::list<Item>;

  void remove(Items::iterator item);

  const uint64_t max_bytes_;
  std::mutex mutex_;
  uint64_t bytes_ = 0;
  Items items_;                                                   ///< most recently used first
  std::unordered_map<std::string_view, Items::iterator> by_key_;  ///< keys are the items' own texts
};

}  // namespace gumtile::cache
