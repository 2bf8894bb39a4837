// The cache of compiled kernels without faults: what is kept, what is removed first, what threads see.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <ctime>
#include <thread>

#include "tests/cache_fixture.h"
#include "tests/environment.h"

namespace gumtile::test {
namespace {

namespace fs = std::filesystem;

constexpr size_t kCodeBytes = 10000;

std::string key(int i) { return fmt::format("key {}", i); }

mode_t mode_of(const fs::path& path) {
  struct stat status {};
  REQUIRE(stat(path.c_str(), &status) == 0);
  return status.st_mode & 07777U;
}

TEST_CASE("what one process stored, another finds") {
  const TemporaryFolder base;
  const fs::path folder = base / "some/where";
  const KernelArtifact artifact = some_artifact();
  FreshCache first(folder);
  CHECK(first.cache.folder() == folder);
  CHECK_FALSE(first.cache.get("key"));
  CHECK_FALSE(fs::exists(base / "some"));  // only a store creates anything
  first.cache.put("key", artifact);
  CHECK(mode_of(base / "some") == 0700);
  CHECK(mode_of(folder) == 0700);
  CHECK(mode_of(entry_path(folder, "key")) == 0600);
  CHECK(files_in(folder).size() == 1);

  FreshCache second(folder);
  const auto found = second.cache.get("key");
  REQUIRE(found);
  CHECK(equal(*found, artifact));
  CHECK_FALSE(second.cache.get("kez"));
  CHECK(second.cache.counts().hits == 1);
  CHECK(second.cache.counts().misses == 1);
  CHECK(second.cache.counts().rejected == 0);
  CHECK(second.cache.contents().entries == 1);
  CHECK(second.cache.contents().bytes == fs::file_size(entry_path(folder, "key")));
  CHECK(first.warnings.empty());
  CHECK(second.warnings.empty());

  second.cache.put("key", some_artifact(10, 'z'));
  CHECK(FreshCache(folder).cache.get("key")->code == "zzzzzzzzzz");
}

TEST_CASE("memory serves where the disk has nothing any more") {
  const TemporaryFolder folder;
  FreshCache fresh(folder.path());
  fresh.cache.put("key", some_artifact());
  fs::remove(entry_path(folder.path(), "key"));
  CHECK(fresh.cache.get("key"));
  CHECK(fresh.cache.clear().entries == 0);
  CHECK_FALSE(fresh.cache.get("key"));  // clear also clears memory
}

TEST_CASE("memory is bounded, by least recent use") {
  const TemporaryFolder folder;
  ModuleCacheOptions options;
  options.folder = folder.path();
  options.max_memory_bytes = 4 * kCodeBytes;
  ModuleCache cache(options);
  for (int i = 0; i < 3; ++i) cache.put(key(i), some_artifact(kCodeBytes));
  CHECK(cache.get(key(0)));
  cache.put(key(3), some_artifact(kCodeBytes));
  for (const auto& name : files_in(folder.path())) fs::remove(folder / name);
  CHECK(cache.get(key(0)));
  CHECK_FALSE(cache.get(key(1)));
  CHECK(cache.get(key(2)));
  CHECK(cache.get(key(3)));
  cache.put(key(3), some_artifact(5 * kCodeBytes));  // larger than all
  for (const auto& name : files_in(folder.path())) fs::remove(folder / name);
  CHECK_FALSE(cache.get(key(3)));
  CHECK(cache.get(key(0)));
}

TEST_CASE("the disk is bounded, by least recent use") {
  const TemporaryFolder folder;
  constexpr uint64_t kMaxBytes = 10 * (kCodeBytes + 2000);
  for (int i = 0; i < 8; ++i) {
    FreshCache(folder.path(), kMaxBytes).cache.put(key(i), some_artifact(kCodeBytes));
    set_age(entry_path(folder.path(), key(i)), i - 100);
  }
  CHECK(FreshCache(folder.path(), kMaxBytes).cache.get(key(0)));  // now the most recent
  for (int i = 8; i < 40; ++i) {
    FreshCache fresh(folder.path(), kMaxBytes);
    fresh.cache.put(key(i), some_artifact(kCodeBytes));
    CHECK(FreshCache(folder.path(), kMaxBytes).cache.get(key(i)));  // never what was just stored
    CHECK(fresh.cache.contents().bytes <= kMaxBytes);
    CHECK(FreshCache(folder.path(), kMaxBytes).cache.get(key(0)));
    CHECK(fresh.warnings.empty());
  }
  CHECK_FALSE(FreshCache(folder.path(), kMaxBytes).cache.get(key(1)));
  CHECK(FreshCache(folder.path(), kMaxBytes).cache.contents().entries >= 8);

  FreshCache fresh(folder.path(), kMaxBytes);
  const auto before = files_in(folder.path());
  fresh.cache.put("huge", some_artifact(kMaxBytes));
  CHECK(fresh.cache.counts().failed_stores == 1);
  CHECK(fresh.warnings.size() == 1);
  CHECK(files_in(folder.path()) == before);
  CHECK(fresh.cache.get("huge"));
}

TEST_CASE("a clock that goes backwards") {
  const TemporaryFolder folder;
  constexpr uint64_t kMaxBytes = 4 * (kCodeBytes + 2000);
  constexpr long kDay = 86400;
  // Stored when the clock was a day ahead; 1 and 2 are used since.
  for (int i = 0; i < 4; ++i) {
    FreshCache(folder.path(), kMaxBytes).cache.put(key(i), some_artifact(kCodeBytes));
    set_age(entry_path(folder.path(), key(i)), kDay);
  }
  CHECK(FreshCache(folder.path(), kMaxBytes).cache.get(key(1)));
  CHECK(FreshCache(folder.path(), kMaxBytes).cache.get(key(2)));
  struct stat status {};
  REQUIRE(stat(entry_path(folder.path(), key(1)).c_str(), &status) == 0);
  CHECK(std::abs(status.st_mtim.tv_sec - std::time(nullptr)) < 60);
  FreshCache(folder.path(), kMaxBytes).cache.put(key(4), some_artifact(kCodeBytes));
  FreshCache fresh(folder.path(), kMaxBytes);
  CHECK(fresh.cache.get(key(1)));  // an entry in use is kept rather than one with a time in the future
  CHECK(fresh.cache.get(key(2)));
  CHECK(fresh.cache.get(key(4)));
  CHECK(fresh.cache.contents().bytes <= kMaxBytes);
}

TEST_CASE("temporary files of interrupted writers go after an hour, those of others stay") {
  const TemporaryFolder folder;
  const std::string entry = entry_path("", "key").string();
  for (const char* name : {"old", "young", "future"})
    write_file(folder / fmt::format(".{}.{}.tmp", entry, name), "x");
  set_age(folder / fmt::format(".{}.old.tmp", entry), -3700);
  set_age(folder / fmt::format(".{}.young.tmp", entry), -3500);
  set_age(folder / fmt::format(".{}.future.tmp", entry), 86400);
  for (const char* name : {"notes.txt", "x.gtk", ".x.tmp"}) {
    write_file(folder / name, "x");
    set_age(folder / name, -99999);
  }
  FreshCache fresh(folder.path());
  fresh.cache.put("key", some_artifact());
  CHECK(files_in(folder.path()) ==
        std::vector<std::string>{fmt::format(".{}.young.tmp", entry), ".x.tmp", entry, "notes.txt", "x.gtk"});
  CHECK(fresh.cache.contents().leftovers == 1);

  const ModuleCacheContents planned = fresh.cache.clear(true);
  CHECK(planned.entries == 1);
  CHECK(planned.leftovers == 1);
  CHECK(planned.bytes == fs::file_size(folder / entry));
  const ModuleCacheContents removed = fresh.cache.clear();
  CHECK(removed.entries == planned.entries);
  CHECK(removed.leftovers == planned.leftovers);
  CHECK(removed.bytes == planned.bytes);
  CHECK(files_in(folder.path()) == std::vector<std::string>{".x.tmp", "notes.txt", "x.gtk"});
}

TEST_CASE("where the folder is") {
  const TemporaryFolder folder;
  const Variable own("GUMTILE_CACHE_DIR", "/own");
  const Variable xdg("XDG_CACHE_HOME", "/xdg");
  const Variable home("HOME", "/home/me");
  CHECK(default_cache_folder() == "/own");
  const Variable no_own("GUMTILE_CACHE_DIR", "");
  CHECK(default_cache_folder() == "/xdg/gumtile");
  const Variable relative_xdg("XDG_CACHE_HOME", "xdg");
  CHECK(default_cache_folder() == "/home/me/.cache/gumtile");
  const Variable relative_home("HOME", "me");
  CHECK(default_cache_folder().empty());

  const Variable there("GUMTILE_CACHE_DIR", (folder / "cache").c_str());
  FreshCache("").cache.put("key", some_artifact());
  CHECK(FreshCache(folder / "cache").cache.get("key"));
}

TEST_CASE("without HOME there is memory, and one warning") {
  const Variable own("GUMTILE_CACHE_DIR", nullptr);
  const Variable xdg("XDG_CACHE_HOME", nullptr);
  const Variable home("HOME", nullptr);
  FreshCache fresh("");
  CHECK(fresh.cache.folder().empty());
  CHECK_FALSE(fresh.cache.get("key"));
  fresh.cache.put("key", some_artifact());
  CHECK(fresh.cache.get("key"));
  CHECK(fresh.cache.contents().entries == 0);
  CHECK(fresh.cache.clear().entries == 0);
  REQUIRE(fresh.warnings.size() == 1);
  CHECK(fresh.warnings[0].find("HOME") != std::string::npos);
}

TEST_CASE("many threads, one cache and many") {
  const TemporaryFolder folder;
  constexpr int kThreads = 8;
  constexpr int kKeys = 5;
  FreshCache shared(folder.path(), 12 * kCodeBytes);
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&, t] {
      FreshCache own(folder.path(), 12 * kCodeBytes);
      for (int i = 0; i < 60; ++i) {
        const int k = (i + t) % kKeys;
        ModuleCache& cache = t % 2 == 0 ? shared.cache : own.cache;
        const auto found = i % 7 == 6 ? FreshCache(folder.path()).cache.get(key(k)) : cache.get(key(k));
        if (found && !equal(*found, some_artifact(kCodeBytes, static_cast<char>('a' + k)))) ++wrong;
        if (!found || i % 3 == 0) cache.put(key(k), some_artifact(kCodeBytes, static_cast<char>('a' + k)));
        if (i % 20 == 19) cache.clear();
      }
      if (!own.warnings.empty() || own.cache.counts().rejected != 0) ++wrong;
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
  for (const std::string& warning : shared.warnings) FAIL_CHECK(warning);
  CHECK(shared.cache.counts().rejected == 0);
  CHECK(shared.cache.contents().leftovers == 0);
}

TEST_CASE("time of a hit on disk") {
  const TemporaryFolder folder;
  FreshCache(folder.path()).cache.put("key", some_artifact(100000));
  constexpr int kTimes = 200;
  std::vector<double> us;
  for (int i = 0; i < kTimes; ++i) {
    FreshCache fresh(folder.path());
    const auto begin = std::chrono::steady_clock::now();
    const bool hit = fresh.cache.get("key").has_value();
    us.push_back(std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begin).count());
    CHECK(hit);
  }
  std::nth_element(us.begin(), us.begin() + kTimes / 2, us.end());
  MESSAGE("a hit on disk of 100 kB of code: " << us[kTimes / 2] << " us (median of " << kTimes << ")");
}

}  // namespace
}  // namespace gumtile::test
