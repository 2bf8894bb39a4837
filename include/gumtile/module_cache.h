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

/// Where a cache on disk is, and how large it may become.
struct ModuleCacheOptions {
  /// Empty: `default_cache_folder()`. Created, with mode 0700, when the first entry is stored. A relative
  /// path is resolved against the working directory when the cache is opened.
  std::filesystem::path folder;
  uint64_t max_bytes =
      uint64_t{1} << 30;  ///< of all entries on disk; the least recently used are removed first
  /// Of the artifacts that are also kept in memory, so that this process reads no file twice and has them
  /// even if there is no usable disk.
  uint64_t max_memory_bytes = uint64_t{256} << 20;
  Log log;
};

/// What a cache did since it was opened.
struct ModuleCacheCounts {
  uint64_t hits = 0;  ///< from memory or disk
  uint64_t misses = 0;
  uint64_t stores = 0;  ///< on disk
  uint64_t rejected =
      0;  ///< entries that are damaged, foreign or of another format; they also count as misses
  uint64_t failed_stores = 0;  ///< kept in memory only, since they could not be written
};

/// What is in a cache's folder.
struct ModuleCacheContents {
  uint64_t entries = 0;
  uint64_t bytes = 0;      ///< of the entries
  uint64_t leftovers = 0;  ///< temporary files of writers that were interrupted
};

/// Compiled kernels on disk, one self-contained file per kernel, shared by any number of processes. Nothing
/// in it is trusted: a file that is damaged, truncated, foreign or of a newer format is a miss. If others can
/// write to the folder, or if it cannot be written, one warning is logged and nothing is kept on disk. No
/// process waits for another: files are published by renaming them, and any process may remove them at any
/// time. Thread safe; throws only std::bad_alloc.
class ModuleCache {
 public:
  /// Creates nothing on disk yet.
  explicit ModuleCache(ModuleCacheOptions options = {});
  ~ModuleCache();
  ModuleCache(const ModuleCache&) = delete;
  ModuleCache& operator=(const ModuleCache&) = delete;

  /// The artifact that was stored under exactly this text, by this process or another.
  std::optional<KernelArtifact> get(std::string_view key_text);
  /// Publishes an artifact atomically: a reader sees all of it or nothing. A failure leaves nothing behind;
  /// it is counted, and the first one is logged. In either case this process keeps the artifact in memory.
  void put(std::string_view key_text, const KernelArtifact& artifact);

  const std::filesystem::path& folder() const;  ///< absolute; empty: nothing is kept on disk
  ModuleCacheCounts counts() const;
  ModuleCacheContents contents() const;
  /// Removes all entries, also from memory, and temporary files of interrupted writers. Returns what was
  /// removed; with `dry_run`, what would be. Files that are not the cache's stay. If some of its own cannot
  /// be removed, a warning names one.
  ModuleCacheContents clear(bool dry_run = false);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// $GUMTILE_CACHE_DIR, else $XDG_CACHE_HOME/gumtile (absolute only), else ~/.cache/gumtile; empty if none of
/// them names a folder.
std::filesystem::path default_cache_folder();

}  // namespace gumtile
