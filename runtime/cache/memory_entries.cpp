#include "runtime/cache/memory_entries.h"

#include <iterator>
#include <utility>

namespace gumtile::cache {

std::shared_ptr<const KernelArtifact> MemoryEntries::get(std::string_view key_text) {
  const std::lock_guard lock(mutex_);
  const auto found = by_key_.find(key_text);
  if (found == by_key_.end()) return nullptr;
  items_.splice(items_.begin(), items_, found->second);
  return found->second->artifact;
}

void MemoryEntries::put(std::string_view key_text, KernelArtifact artifact) {
  // The launch specification is small compared to the code.
  const uint64_t bytes =
      sizeof(Item) + sizeof(KernelArtifact) + key_text.size() + artifact.code.size() + artifact.cubin.size();
  Items added;
  if (bytes <= max_bytes_)
    added.push_back(
        {std::string(key_text), std::make_shared<const KernelArtifact>(std::move(artifact)), bytes});
  const std::lock_guard lock(mutex_);
  if (const auto found = by_key_.find(key_text); found != by_key_.end()) remove(found->second);
  if (added.empty()) return;
  by_key_.emplace(added.front().key_text, added.begin());
  items_.splice(items_.begin(), added);
  bytes_ += bytes;
  while (bytes_ > max_bytes_) remove(std::prev(items_.end()));
}

void MemoryEntries::clear() {
  const std::lock_guard lock(mutex_);
  by_key_.clear();
  items_.clear();
  bytes_ = 0;
}

void MemoryEntries::remove(Items::iterator item) {
  bytes_ -= item->bytes;
  by_key_.erase(item->key_text);
  items_.erase(item);
}

}  // namespace gumtile::cache
