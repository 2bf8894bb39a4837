// Many processes on one folder, and processes that end at the worst moment.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "runtime/cache/entry.h"
#include "runtime/cache/folder.h"
#include "runtime/cache/names.h"
#include "runtime/cache/publish.h"
#include "tests/cache_fixture.h"

namespace gumtile::test {
namespace {

namespace fs = std::filesystem;
using cache::PublishStep;

constexpr size_t kCodeBytes = 50000;

/// Publishes the entry of "key" as a cache does, and exits at a step.
int die_at(const fs::path& folder, PublishStep last, char fill) {
  return in_child([&] {
    const auto opened = cache::open_folder(folder, cache::IfAbsent::create);
    if (opened.state != cache::OpenFolder::State::usable) return 1;
    cache::publish(opened.folder.get(), cache::entry_name("key"),
                   cache::encode_entry("key", some_artifact(kCodeBytes, fill)), [&](PublishStep step) {
                     if (step == last) kill(getpid(), SIGKILL);
                   });
    return 2;
  });
}

TEST_CASE("a writer killed at any step leaves a miss or the whole entry") {
  for (const PublishStep step : {PublishStep::created, PublishStep::partly_written, PublishStep::written,
                                 PublishStep::synced, PublishStep::published}) {
    CAPTURE(static_cast<int>(step));
    const TemporaryFolder base;
    const fs::path folder = base / "cache";
    const bool published = step == PublishStep::published;
    REQUIRE(die_at(folder, step, 'a') == -SIGKILL);
    CHECK(files_in(folder).size() == 1);
    const auto found = FreshCache(folder).cache.get("key");
    CHECK(found.has_value() == published);
    if (found) CHECK(equal(*found, some_artifact(kCodeBytes, 'a')));

    // A later writer is not blocked, and if it dies, too, the previous entry stays.
    FreshCache later(folder);
    later.cache.put("key", some_artifact(kCodeBytes, 'b'));
    CHECK(later.warnings.empty());
    REQUIRE(die_at(folder, step, 'c') == -SIGKILL);
    FreshCache reader(folder);
    const auto now = reader.cache.get("key");
    REQUIRE(now);
    CHECK(equal(*now, some_artifact(kCodeBytes, published ? 'c' : 'b')));
    CHECK(reader.cache.counts().rejected == 0);

    const ModuleCacheContents removed = reader.cache.clear();
    CHECK(removed.entries == 1);
    CHECK(removed.leftovers == (published ? 0 : 2));
    CHECK(files_in(folder).empty());
  }
}

TEST_CASE("clearing leaves a writer at work alone") {
  const TemporaryFolder folder;
  const auto opened = cache::open_folder(folder.path(), cache::IfAbsent::leave);
  for (const PublishStep moment : {PublishStep::created, PublishStep::partly_written, PublishStep::synced}) {
    const int error = cache::publish(
        opened.folder.get(), cache::entry_name("key"), cache::encode_entry("key", some_artifact()),
        [&](PublishStep step) {
          if (step != moment) return;
          CHECK(in_child([&] {
                  FreshCache other(folder.path());
                  return other.cache.contents().leftovers + other.cache.clear().leftovers == 0 ? 0 : 1;
                }) == 0);
        });
    CHECK(error == 0);
    CHECK(FreshCache(folder.path()).cache.clear().entries == 1);
  }
}

TEST_CASE("a writer whose temporary file was removed fails cleanly") {
  const TemporaryFolder folder;
  const auto opened = cache::open_folder(folder.path(), cache::IfAbsent::leave);
  const int error =
      cache::publish(opened.folder.get(), cache::entry_name("key"), "bytes", [&](PublishStep step) {
        if (step == PublishStep::written)
          for (const std::string& name : files_in(folder.path())) fs::remove(folder / name);
      });
  CHECK(error == ENOENT);
  CHECK(files_in(folder.path()).empty());
}

TEST_CASE("writers killed at random moments") {
  const TemporaryFolder folder;
  int found = 0;
  for (int i = 0; i < 60; ++i) {
    const int child = start_child([&] {
      for (int n = 0;; ++n) {
        FreshCache fresh(folder.path(), 5 * kCodeBytes);
        fresh.cache.put(fmt::format("key {}", n % 8),
                        some_artifact(kCodeBytes, static_cast<char>('a' + n % 8)));
      }
      return 0;
    });
    usleep(static_cast<useconds_t>(1000 + i * 137));
    kill(child, SIGKILL);
    REQUIRE(wait_for_child(child) == -SIGKILL);
    FreshCache reader(folder.path());
    for (int n = 0; n < 8; ++n)
      if (const auto artifact = reader.cache.get(fmt::format("key {}", n))) {
        CHECK(equal(*artifact, some_artifact(kCodeBytes, static_cast<char>('a' + n))));
        ++found;
      }
    CHECK(reader.cache.counts().rejected == 0);
  }
  CHECK(found > 0);
  FreshCache last(folder.path());
  last.cache.clear();
  CHECK(files_in(folder.path()).empty());
}

/// What each of the 64 processes does: looks up, "compiles" if it finds nothing, publishes, looks up again.
/// Each writer's code is one letter, repeated, so that a torn file would have two letters.
int one_of_many(const fs::path& folder, int start, int me) {
  char go = 0;
  if (read(start, &go, 1) != 0) return 1;  // until the parent closes its end
  const auto is_whole = [](const KernelArtifact& artifact) {
    return equal(artifact, some_artifact(kCodeBytes, artifact.code.at(0)));
  };
  FreshCache fresh(folder);
  const auto found = fresh.cache.get("cold");
  if (found && !is_whole(*found)) return 2;
  if (!found) {
    usleep(2000);
    fresh.cache.put("cold", some_artifact(kCodeBytes, static_cast<char>('0' + me)));
  }
  for (int i = 0; i < 20; ++i) {
    FreshCache again(folder);
    const auto artifact = again.cache.get("cold");
    if (!artifact || !is_whole(*artifact) || again.cache.counts().rejected != 0) return 3;
  }
  return fresh.warnings.empty() && fresh.cache.counts().failed_stores == 0 ? 0 : 4;
}

TEST_CASE("64 processes start on one cold key") {
  const TemporaryFolder base;
  const fs::path folder = base / "new/cache";
  int start[2];
  REQUIRE(pipe(start) == 0);
  std::vector<int> children;
  for (int i = 0; i < 64; ++i)
    children.push_back(start_child([&, i] {
      close(start[1]);
      return one_of_many(folder, start[0], i);
    }));
  close(start[0]);
  close(start[1]);
  for (const int child : children) CHECK(wait_for_child(child) == 0);
  CHECK(files_in(folder) == std::vector<std::string>{entry_path("", "cold").string()});
}

TEST_CASE("64 processes store and remove under a bound") {
  const TemporaryFolder folder;
  constexpr uint64_t kMaxBytes = 10 * kCodeBytes;
  std::vector<int> children;
  for (int i = 0; i < 64; ++i)
    children.push_back(start_child([&, i] {
      FreshCache fresh(folder.path(), kMaxBytes);
      for (int n = 0; n < 10; ++n) {
        const int k = (i * 7 + n) % 30;
        const auto fill = static_cast<char>('A' + k);
        const auto found = fresh.cache.get(fmt::format("key {}", k));
        if (found && !equal(*found, some_artifact(kCodeBytes, fill))) return 1;
        fresh.cache.put(fmt::format("key {}", k), some_artifact(kCodeBytes, fill));
      }
      return fresh.warnings.empty() && fresh.cache.counts().rejected == 0 ? 0 : 2;
    }));
  for (const int child : children) CHECK(wait_for_child(child) == 0);
  FreshCache last(folder.path(), kMaxBytes);
  CHECK(last.cache.contents().bytes <= kMaxBytes);
  CHECK(last.cache.contents().entries > 0);
  CHECK(last.cache.contents().leftovers == 0);
}

}  // namespace
}  // namespace gumtile::test
