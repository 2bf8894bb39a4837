#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "gumtile/artifact.h"
#include "gumtile/log.h"

namespace gumtile {

/// Where and how large a cache on disk is.
struct ModuleCacheOptions {
  /// Empty: `default_cache_folder()`. Made, with mode 0700, when the first entry is stored. A relative one is
  /// taken from the working directory at the time the cache is opened.
  std::filesystem::path folder;
  uint64_t max_bytes = uint64_t{1} << 30;  ///< of all entries on disk; least recently used ones go first
  /// Of the artifacts that are kept in memory, too, so that this process reads no file twice and has them
  /// where there is no disk to use.
  uint64_t max_memory_bytes = uint64_t{256} << 20;
  Log log;
};

/// What a cache did since it was opened.
struct ModuleCacheCounts {
  uint64_t hits = 0;  ///< from memory or disk
  uint64_t misses = 0;
  uint64_t stores = 0;    ///< on disk
  uint64_t rejected = 0;  ///< entries that were there but damaged, foreign or of another format: misses, too
  uint64_t failed_stores = 0;  ///< kept in memory only, since the disk could not take them
};

/// What lies in a cache's folder.
struct ModuleCacheContents {
  uint64_t entries = 0;
  uint64_t bytes = 0;      ///< of the entries
  uint64_t leftovers = 0;  ///< temporary files of writers that were interrupted
};

/// Compiled kernels on disk, one self-contained file for each, shared by any number of processes. Nothing in
/// it is trusted: a file that is damaged, cut short, foreign or of a newer format is a miss. Where the folder
/// is not ours alone, or cannot be written, one warning is logged and nothing is kept on disk. Nobody waits
/// for anybody: files are published by renaming them, and any process may remove them at any time. Thread
/// safe; nothing throws but std::bad_alloc.
class ModuleCache {
 public:
  /// Makes nothing on disk yet.
  explicit ModuleCache(ModuleCacheOptions options = {});
  ~ModuleCache();
  ModuleCache(const ModuleCache&) = delete;
  ModuleCache& operator=(const ModuleCache&) = delete;

  /// The artifact that was stored under exactly this text, by this process or another.
  std::optional<KernelArtifact> get(std::string_view key_text);
  /// Publishes an artifact atomically: a reader sees all of it or nothing. A failure leaves nothing behind;
  /// it is counted, and the first one is logged. Then, as in any case, this process has it in memory.
  void put(std::string_view key_text, const KernelArtifact& artifact);

  const std::filesystem::path& folder() const;  ///< absolute; empty: nothing is kept on disk
  ModuleCacheCounts counts() const;
  ModuleCacheContents contents() const;
  /// Removes all entries, of memory too, and what interrupted writers left, and says what went; with
  /// `dry_run`, what would go. Files that are not the cache's stay; of its own that cannot be removed, one is
  /// named in a warning.
  ModuleCacheContents clear(bool dry_run = false);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// $GUMTILE_CACHE_DIR, else $XDG_CACHE_HOME/gumtile (absolute only), else ~/.cache/gumtile; empty where none
/// of them names a folder.
std::filesystem::path default_cache_folder();

}  // namespace gumtile
