// Faulty folders, entries and disks: compilation continues with entries in memory, and reports that once.
// Faults that this user or machine cannot provoke are skipped with a message.
#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <thread>

#include "runtime/cache/entry.h"
#include "tests/cache_fixture.h"

namespace gumtile::test {
namespace {

namespace fs = std::filesystem;

constexpr uid_t kSomeoneElse = 12345;
constexpr int kCannotMount = 77;

/// Checks that the folder is refused: nothing is kept in it, memory is used, and one warning contains `why`.
void check_refused(const fs::path& folder, const std::string& why) {
  CAPTURE(folder.string());
  FreshCache fresh(folder);
  CHECK(fresh.cache.folder().empty());
  CHECK_FALSE(fresh.cache.get("key"));
  fresh.cache.put("key", some_artifact());
  CHECK(fresh.cache.get("key"));
  fresh.cache.put("other", some_artifact());
  CHECK(fresh.cache.clear().entries == 0);
  REQUIRE(fresh.warnings.size() == 1);
  CHECK(fresh.warnings[0].find(why) != std::string::npos);
  CHECK(fresh.warnings[0].find(folder.string()) != std::string::npos);
}

fs::path make_folder(const fs::path& path, mode_t mode = S_IRWXU) {
  fs::create_directory(path);
  REQUIRE(chmod(path.c_str(), mode) == 0);
  return path;
}

TEST_CASE("a folder that others can write is not used") {
  const TemporaryFolder base;
  const fs::path folder = make_folder(base / "cache");
  FreshCache(folder).cache.put("key", some_artifact());
  const auto before = files_in(folder);
  for (const mode_t mode : {0777U, 01777U, 0770U, 0707U, 0720U, 0702U}) {
    make_folder(folder, mode);
    check_refused(folder, fmt::format("{:04o}", mode));
    CHECK(files_in(folder) == before);
  }
  make_folder(folder, 0755);
  CHECK(FreshCache(folder).cache.get("key"));
}

TEST_CASE("a folder that belongs to another user is not used") {
  const TemporaryFolder base;
  if (geteuid() != 0) {
    MESSAGE("skipped: only root can make a folder that belongs to another user");
    return;
  }
  const fs::path folder = make_folder(base / "cache");
  REQUIRE(chown(folder.c_str(), kSomeoneElse, kSomeoneElse) == 0);
  check_refused(folder, "12345");
  CHECK(files_in(folder).empty());
}

TEST_CASE("a folder that is a symbolic link, or something else, is not used") {
  const TemporaryFolder base;
  const fs::path folder = make_folder(base / "cache");
  fs::create_directory_symlink(folder, base / "link");
  check_refused(base / "link", "symbolic link");
  check_refused(base / "link/", "symbolic link");
  check_refused(base / "link/.", "symbolic link");
  fs::create_directory_symlink(base / "nowhere", base / "dangling");
  check_refused(base / "dangling", "symbolic link");
  fs::create_symlink("loop", base / "loop");
  check_refused(base / "loop", "symbolic link");
  check_refused(base / "loop/cache", "too many");
  write_file(base / "file", "x");
  check_refused(base / "file", "not a folder");
  check_refused(base / "file/cache", "not a folder");
  check_refused(base / std::string(300, 'x'), "too long");
  CHECK(files_in(folder).empty());
  CHECK_FALSE(fs::exists(base / "nowhere"));
}

TEST_CASE("a symbolic link above the folder is followed only where nobody else could have made it") {
  const TemporaryFolder base;
  make_folder(base / "real");
  fs::create_directory_symlink("real", base / "link");  // in a folder that only we can write
  FreshCache fresh(base / "link/cache");
  fresh.cache.put("key", some_artifact());
  CHECK(fresh.warnings.empty());
  CHECK(FreshCache(base / "real/cache").cache.get("key"));
  CHECK(FreshCache(base / "link/../real/./cache//").cache.get("key"));

  const fs::path shared = make_folder(base / "shared", 01777);
  make_folder(shared / "mine");
  FreshCache(shared / "mine").cache.put("key", some_artifact());
  CHECK(FreshCache(shared / "mine").cache.get("key"));
  fs::create_directory_symlink(base / "real", shared / "link");
  check_refused(shared / "link/cache", "'link'");
  fs::create_directory_symlink(shared / "link", base / "twice");  // a good one that leads to a bad one
  check_refused(base / "twice/cache", "'link'");
}

TEST_CASE("a folder that turns bad while the cache is open") {
  const TemporaryFolder base;
  const fs::path folder = base / "cache";
  FreshCache fresh(folder);
  fresh.cache.put("a", some_artifact());
  make_folder(folder, 0777);
  fresh.cache.put("b", some_artifact());
  fresh.cache.put("c", some_artifact());
  CHECK(fresh.cache.get("b"));
  CHECK(fresh.cache.counts().failed_stores == 2);
  CHECK(fresh.warnings.size() == 1);
  CHECK(files_in(folder).size() == 1);
  make_folder(folder, 0700);
  fresh.cache.put("d", some_artifact());
  CHECK(files_in(folder).size() == 2);

  fs::remove_all(folder);
  CHECK(fresh.cache.contents().entries == 0);
  fresh.cache.put("e", some_artifact());
  CHECK(files_in(folder).size() == 1);
  CHECK(fresh.warnings.size() == 1);
}

TEST_CASE("a read-only folder serves what it has") {
  const TemporaryFolder base;
  if (geteuid() == 0) REQUIRE(chmod(base.path().c_str(), 0777) == 0);
  const fs::path folder = base / "cache";
  const int failed_at = in_child([&] {
    become_nobody();  // root may write everywhere
    FreshCache(folder).cache.put("key", some_artifact());
    if (chmod(folder.c_str(), 0500) != 0) return 1;
    FreshCache fresh(folder);
    if (!fresh.cache.get("key")) return 2;
    fresh.cache.put("other", some_artifact());
    fresh.cache.put("third", some_artifact());
    if (fresh.cache.counts().failed_stores != 2 || fresh.warnings.size() != 1) return 3;
    if (!fresh.cache.get("other")) return 4;
    if (files_in(folder).size() != 1) return 5;
    if (fresh.cache.clear().entries != 0 || fresh.warnings.size() != 2) return 6;
    // There is no folder yet, and none can be created.
    FreshCache none(folder / "below");
    none.cache.put("key", some_artifact());
    if (!none.cache.get("key") || none.warnings.size() != 1) return 7;
    if (none.cache.counts().failed_stores != 1) return 8;
    // A folder that may not even be read.
    if (chmod(folder.c_str(), 0) != 0) return 9;
    FreshCache closed(folder);
    closed.cache.put("key", some_artifact());
    if (!closed.cache.get("key") || closed.warnings.size() != 1) return 10;
    return chmod(folder.c_str(), 0700) == 0 ? 0 : 11;
  });
  CHECK(failed_at == 0);
}

TEST_CASE("things in the place of an entry") {
  const TemporaryFolder base;
  const fs::path folder = base / "cache";
  const fs::path entry = entry_path(folder, "key");
  FreshCache(folder).cache.put("key", some_artifact());
  const std::string good = read_file(entry);
  const auto check_rejected = [&](bool replaceable) {
    FreshCache fresh(folder);
    CHECK_FALSE(fresh.cache.get("key"));
    CHECK(fresh.cache.counts().rejected == 1);
    fresh.cache.put("key", some_artifact());
    CHECK(fresh.warnings.size() == (replaceable ? 0 : 1));
    CHECK(FreshCache(folder).cache.get("key").has_value() == replaceable);
    fs::remove_all(entry);
    CHECK(files_in(folder).empty());
  };
  SUBCASE("a symbolic link to a good entry") {
    fs::rename(entry, base / "elsewhere");
    fs::create_symlink(base / "elsewhere", entry);
    check_rejected(true);
    CHECK(read_file(base / "elsewhere") == good);
  }
  SUBCASE("a file that others can write") {
    REQUIRE(chmod(entry.c_str(), 0622) == 0);
    check_rejected(true);
  }
  SUBCASE("a file of another user") {
    if (geteuid() != 0) {
      MESSAGE("skipped: only root can make a file that belongs to another user");
      return;
    }
    REQUIRE(chown(entry.c_str(), kSomeoneElse, kSomeoneElse) == 0);
    check_rejected(true);
  }
  SUBCASE("a named pipe") {
    fs::remove(entry);
    REQUIRE(mkfifo(entry.c_str(), S_IRUSR | S_IWUSR) == 0);
    check_rejected(true);
  }
  SUBCASE("a folder") {
    fs::remove(entry);
    fs::create_directory(entry);
    check_rejected(false);
  }
  SUBCASE("an enormous file") {
    REQUIRE(truncate(entry.c_str(), int64_t{1} << 40) == 0);
    check_rejected(true);
  }
}

/// A cache whose folder takes only a few kB; returns 0 if it behaves.
int store_too_much(const fs::path& folder) {
  FreshCache fresh(folder);
  fresh.cache.put("small", some_artifact(100));
  if (fresh.cache.counts().stores != 1) return 1;
  for (const char* key : {"large", "larger"}) {
    fresh.cache.put(key, some_artifact(200000));
    if (!fresh.cache.get(key)) return 2;
  }
  if (fresh.cache.counts().failed_stores != 2 || fresh.warnings.size() != 1) return 3;
  if (files_in(folder).size() != 1) return 4;  // no temporary file is left
  if (!FreshCache(folder).cache.get("small") || FreshCache(folder).cache.get("large")) return 5;
  fresh.cache.put("small too", some_artifact(100));
  return fresh.cache.counts().stores == 2 ? 0 : 6;
}

/// Runs `body` with a file system of 64 kB at `where`, which disappears with the child; kCannotMount if this
/// process may not do that.
int with_small_disk(const fs::path& where, const std::function<int()>& body) {
  return in_child([&] {
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0 ||
        mount("tmpfs", where.c_str(), "tmpfs", 0, "size=65536,mode=0700") != 0)
      return kCannotMount;
    return body();
  });
}

TEST_CASE("a file that may not grow") {
  const TemporaryFolder folder;
  CHECK(in_child([&] {
          std::signal(SIGXFSZ, SIG_IGN);
          const rlimit limit{50000, 50000};
          return setrlimit(RLIMIT_FSIZE, &limit) == 0 ? store_too_much(folder.path()) : 99;
        }) == 0);
}

TEST_CASE("a full disk") {
  const TemporaryFolder folder;
  const int failed_at = with_small_disk(folder.path(), [&] { return store_too_much(folder / "cache"); });
  if (failed_at == kCannotMount) {
    MESSAGE("skipped: this process may not mount a small disk");
    return;
  }
  CHECK(failed_at == 0);
}

TEST_CASE("a disk that is mounted read-only") {
  const TemporaryFolder base;
  const fs::path folder = base / "cache";
  const int failed_at = with_small_disk(base.path(), [&] {
    FreshCache(folder).cache.put("key", some_artifact());
    if (mount("none", base.path().c_str(), nullptr, MS_REMOUNT | MS_RDONLY, nullptr) != 0)
      return kCannotMount;
    FreshCache fresh(folder);
    if (!fresh.cache.get("key")) return 1;
    fresh.cache.put("other", some_artifact());
    if (fresh.cache.counts().failed_stores != 1 || fresh.warnings.size() != 1) return 2;
    FreshCache none(base / "none");
    none.cache.put("other", some_artifact());
    return none.cache.get("other") && none.warnings.size() == 1 ? 0 : 3;
  });
  if (failed_at == kCannotMount) {
    MESSAGE("skipped: this process may not mount a disk");
    return;
  }
  CHECK(failed_at == 0);
}

TEST_CASE("entries that are deleted at any moment") {
  const TemporaryFolder folder;
  std::atomic<bool> done = false;
  std::thread deleter([&] {
    while (!done)
      for (const std::string& name : files_in(folder.path()))
        if (name.front() != '.') unlink((folder / name).c_str());
  });
  FreshCache writer(folder.path(), 20000);
  int hits = 0;
  int wrong = 0;
  for (int i = 0; i < 1500; ++i) {
    const std::string key = fmt::format("key {}", i % 10);
    writer.cache.put(key, some_artifact(3000));
    FreshCache reader(folder.path());
    const auto found = reader.cache.get(key);
    hits += found ? 1 : 0;
    wrong += (found && !equal(*found, some_artifact(3000))) || reader.cache.counts().rejected != 0 ? 1 : 0;
  }
  done = true;
  deleter.join();
  CHECK(wrong == 0);
  CHECK(writer.cache.counts().stores == 1500);
  CHECK(writer.warnings.empty());
  MESSAGE(hits << " of 1500 look-ups came before the deletion");
}

}  // namespace
}  // namespace gumtile::test
