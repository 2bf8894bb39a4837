#include "gumtile/module_cache.h"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <exception>
#include <new>
#include <system_error>
#include <utility>

#include "runtime/cache/entry.h"
#include "runtime/cache/folder.h"
#include "runtime/cache/listing.h"
#include "runtime/cache/lookup.h"
#include "runtime/cache/memory_entries.h"
#include "runtime/cache/names.h"
#include "runtime/cache/publish.h"

namespace gumtile {
namespace {

namespace fs = std::filesystem;
using cache::IfAbsent;
using cache::OpenFolder;

std::string error_text(int error) { return std::generic_category().message(error); }

/// The counts of ModuleCacheCounts, changed by several threads.
struct Counters {
  std::atomic<uint64_t> hits = 0;
  std::atomic<uint64_t> misses = 0;
  std::atomic<uint64_t> stores = 0;
  std::atomic<uint64_t> rejected = 0;
  std::atomic<uint64_t> failed_stores = 0;
};

}  // namespace

struct ModuleCache::Impl {
  explicit Impl(ModuleCacheOptions given)
      : max_bytes(given.max_bytes), log(std::move(given.log)), memory(given.max_memory_bytes) {
    folder = given.folder.empty() ? default_cache_folder() : std::move(given.folder);
    if (folder.empty()) {
      warn_of_folder(
          "there is no folder for compiled kernels: none of GUMTILE_CACHE_DIR, XDG_CACHE_HOME and HOME names "
          "one; they are kept in memory only");
      return;
    }
    std::error_code error;
    folder = fs::absolute(folder, error);
    if (error) {  // a relative path, and no working directory
      warn_of_folder(
          fmt::format("the cache folder cannot be reached: {}; compiled kernels are kept in memory only",
                      error.message()));
      folder.clear();
    } else if (open(IfAbsent::leave).state == OpenFolder::State::refused) {
      folder.clear();
    }
  }

  void warn_of_folder(std::string_view message) {
    if (!warned_of_folder.exchange(true) && log) log(LogLevel::warning, message);
  }

  OpenFolder open(IfAbsent if_absent) {
    OpenFolder opened = cache::open_folder(folder, if_absent);
    if (opened.state == OpenFolder::State::refused)
      warn_of_folder(
          fmt::format("the cache folder '{}' {}; compiled kernels are kept in memory only. Mend that, or set "
                      "GUMTILE_CACHE_DIR to a folder of your own",
                      folder.native(), opened.reason));
    return opened;
  }

  void failed_to_store(std::string_view why) {
    ++counters.failed_stores;
    if (!warned_of_store.exchange(true) && log)
      log(LogLevel::warning,
          fmt::format("a compiled kernel cannot be stored in '{}': {}; it is kept in memory only",
                      folder.native(), why));
  }

  void store(std::string_view key_text, const KernelArtifact& artifact) {
    const std::string bytes = cache::encode_entry(key_text, artifact);
    if (bytes.size() > max_bytes)
      return failed_to_store(
          fmt::format("its {} bytes are more than all may have together, {}", bytes.size(), max_bytes));
    const std::string name = cache::entry_name(key_text);
    // Another process may remove the folder, or everything in it, at any time, but hardly several times in a
    // row.
    constexpr int kAttempts = 5;
    int error = 0;
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
      const OpenFolder opened = open(IfAbsent::create);
      if (opened.state != OpenFolder::State::usable) {
        ++counters.failed_stores;  // `open` has warned
        return;
      }
      error = cache::publish(opened.folder.get(), name, bytes);
      if (error == 0) {
        ++counters.stores;
        return cache::tidy(opened.folder.get(), max_bytes, name);
      }
      if (error != ENOENT) break;
    }
    failed_to_store(error_text(error));
  }

  /// Calls `counts(folder, file)` for every entry and leftover, and sums up those for which it returns true.
  template <typename Counts>
  ModuleCacheContents visit(const Counts& counts) {
    ModuleCacheContents sum;
    if (folder.empty()) return sum;
    const OpenFolder opened = open(IfAbsent::leave);
    if (opened.state != OpenFolder::State::usable) return sum;
    const int fd = opened.folder.get();
    for (const cache::ListedFile& file : cache::list_files(fd)) {
      if ((file.temporary && !cache::is_abandoned(fd, file.name)) || !counts(fd, file)) continue;
      ++(file.temporary ? sum.leftovers : sum.entries);
      if (!file.temporary) sum.bytes += file.bytes;
    }
    return sum;
  }

  fs::path folder;  ///< does not change once the cache is open
  const uint64_t max_bytes;
  const Log log;
  cache::MemoryEntries memory;
  Counters counters;
  std::atomic<bool> warned_of_folder = false;
  std::atomic<bool> warned_of_store = false;
};

ModuleCache::ModuleCache(ModuleCacheOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
ModuleCache::~ModuleCache() = default;

std::optional<KernelArtifact> ModuleCache::get(std::string_view key_text) {
  if (const auto artifact = impl_->memory.get(key_text)) {
    ++impl_->counters.hits;
    return *artifact;
  }
  cache::Lookup found;
  if (!impl_->folder.empty()) {
    const OpenFolder opened = impl_->open(IfAbsent::leave);
    if (opened.state == OpenFolder::State::usable)
      found = cache::look_up(opened.folder.get(), key_text, impl_->max_bytes);
  }
  if (found.rejected) ++impl_->counters.rejected;
  ++(found.artifact ? impl_->counters.hits : impl_->counters.misses);
  if (found.artifact) impl_->memory.put(key_text, *found.artifact);
  return std::move(found.artifact);
}

void ModuleCache::put(std::string_view key_text, const KernelArtifact& artifact) {
  impl_->memory.put(key_text, artifact);
  if (impl_->folder.empty()) return;
  try {
    impl_->store(key_text, artifact);
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) {  // texts that JSON does not take
    impl_->failed_to_store(error.what());
  }
}

const std::filesystem::path& ModuleCache::folder() const { return impl_->folder; }

ModuleCacheCounts ModuleCache::counts() const {
  const Counters& c = impl_->counters;
  return {c.hits, c.misses, c.stores, c.rejected, c.failed_stores};
}

ModuleCacheContents ModuleCache::contents() const {
  return impl_->visit([](int, const cache::ListedFile&) { return true; });
}

ModuleCacheContents ModuleCache::clear(bool dry_run) {
  if (dry_run) return contents();
  impl_->memory.clear();
  std::string failure;
  const ModuleCacheContents removed = impl_->visit([&](int folder, const cache::ListedFile& file) {
    if (unlinkat(folder, file.name.c_str(), 0) == 0) return true;
    if (errno != ENOENT) failure = fmt::format("'{}': {}", file.name, error_text(errno));
    return false;
  });
  if (!failure.empty() && impl_->log)
    impl_->log(LogLevel::warning, fmt::format("not all of the cache in '{}' can be removed; {}",
                                              impl_->folder.native(), failure));
  return removed;
}

}  // namespace gumtile
