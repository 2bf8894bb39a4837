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
  /// Empty: `default_cache_folder()`. Made, with mode 0700, when the first entry is stored.
  std::filesystem::path folder;
  uint64_t max_bytes = uint64_t{1} << 30;  ///< least recently used entries go first
  Log log;
};

/// What a cache did since it was opened.
struct ModuleCacheCounts {
  uint64_t hits = 0;
  uint64_t misses = 0;
  uint64_t stores = 0;
  uint64_t rejected = 0;  ///< entries that were there but damaged, foreign or of another format: misses, too
  uint64_t failed_stores = 0;
};

/// What lies in a cache's folder.
struct ModuleCacheContents {
  uint64_t entries = 0;
  uint64_t bytes = 0;
};

/// Compiled kernels on disk, one self-contained file for each, shared by any number of processes. Nothing in
/// it is trusted: a file that is damaged, cut short, foreign or of a newer format is a miss. Where the folder
/// is not ours alone, or cannot be written, one warning is logged and nothing is kept on disk. Thread safe;
/// after `open` nothing throws but std::bad_alloc.
class ModuleCache {
 public:
  explicit ModuleCache(ModuleCacheOptions options = {});
  ~ModuleCache();
  ModuleCache(const ModuleCache&) = delete;
  ModuleCache& operator=(const ModuleCache&) = delete;

  /// The artifact that was stored under exactly this text.
  std::optional<KernelArtifact> get(std::string_view key_text);
  /// Publishes an artifact atomically: a reader sees all of it or nothing. A failure is logged once and
  /// counted.
  void put(std::string_view key_text, const KernelArtifact& artifact);

  const std::filesystem::path& folder() const;  ///< empty: nothing is kept on disk
  ModuleCacheCounts counts() const;
  ModuleCacheContents contents() const;
  /// Removes all entries (and what interrupted writers left); with `dry_run` says only what would go.
  ModuleCacheContents clear(bool dry_run = false);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// $GUMTILE_CACHE_DIR, else $XDG_CACHE_HOME/gumtile (absolute only), else ~/.cache/gumtile; empty where none
/// of them names a folder.
std::filesystem::path default_cache_folder();

}  // namespace gumtile
