#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <filesystem>
#include <string>
#include <string_view>

#include "files/posix_file.h"
#include "tests/cache_fixture.h"

namespace gumtile::files {
namespace {

namespace fs = std::filesystem;
using test::files_in;
using test::read_file;
using test::TemporaryFolder;
using test::write_file;

mode_t mode_of(const fs::path& path) {
  struct stat status {};
  REQUIRE(stat(path.c_str(), &status) == 0);
  return status.st_mode & 07777;
}

TEST_CASE("a descriptor is closed once, by its last owner") {
  const int file = memfd_create("test", 0);
  {
    FileDescriptor first(file);
    FileDescriptor second(std::move(first));
    CHECK_FALSE(first.is_open());  // NOLINT(bugprone-use-after-move)
    CHECK(second.get() == file);
    first = std::move(second);
    CHECK(fcntl(file, F_GETFD) >= 0);
  }
  CHECK(fcntl(file, F_GETFD) == -1);
}

TEST_CASE("write_all writes all, or says why not") {
  const FileDescriptor file(memfd_create("test", MFD_CLOEXEC));
  CHECK(write_all(file.get(), std::string_view("some text")) == 0);
  CHECK(lseek(file.get(), 0, SEEK_END) == 9);
  const FileDescriptor full(open("/dev/full", O_WRONLY | O_CLOEXEC));
  CHECK(write_all(full.get(), std::string_view("x")) == ENOSPC);
  CHECK(write_all(-1, std::string_view("x")) == EBADF);
}

TEST_CASE("a path's folder") {
  CHECK(folder_of("file") == ".");
  CHECK(folder_of("/file") == "/");
  CHECK(folder_of("some/folder/file") == "some/folder");
}

TEST_CASE("replace_file makes a file of parts under the umask, and leaves nothing else") {
  const TemporaryFolder folder;
  const mode_t before = umask(027);
  const std::array<std::string_view, 3> parts{"one ", "", "two"};
  CHECK(replace_file(folder / "new", parts) == 0);
  CHECK(replace_file(folder / "private", "x", 0600) == 0);
  umask(before);
  CHECK(read_file(folder / "new") == "one two");
  CHECK(mode_of(folder / "new") == 0640);
  CHECK(mode_of(folder / "private") == 0600);
  CHECK(files_in(folder.path()) == std::vector<std::string>{"new", "private"});
}

TEST_CASE("a file that is replaced hands on its permissions; who has it open keeps it") {
  const TemporaryFolder folder;
  write_file(folder / "file", "old");
  REQUIRE(chmod((folder / "file").c_str(), 0604) == 0);
  const FileDescriptor former(open((folder / "file").c_str(), O_RDONLY | O_CLOEXEC));
  CHECK(replace_file(folder / "file", "new") == 0);
  CHECK(mode_of(folder / "file") == 0604);
  CHECK(read_file(folder / "file") == "new");
  std::array<char, 8> bytes{};
  CHECK(read(former.get(), bytes.data(), bytes.size()) == 3);
  CHECK(std::string_view(bytes.data()) == "old");
  CHECK(files_in(folder.path()) == std::vector<std::string>{"file"});
}

TEST_CASE("a replacement is never open to more users than the file that it replaces") {
  if (geteuid() != 0) return;  // only root can make a file of a group that another user is not in
  const TemporaryFolder folder;
  REQUIRE(chmod(folder.path().c_str(), 0777) == 0);
  write_file(folder / "file", "old");
  REQUIRE(chown((folder / "file").c_str(), 65534, 12345) == 0);
  REQUIRE(chmod((folder / "file").c_str(), 0660) == 0);
  CHECK(test::in_child([&] {
          test::become_nobody();
          return replace_file(folder / "file", "new");
        }) == 0);
  CHECK(mode_of(folder / "file") == 0600);
}

TEST_CASE("replace_file that fails changes nothing") {
  const TemporaryFolder folder;
  CHECK(replace_file(folder / "missing/file", "x") == ENOENT);
  fs::create_directory(folder / "taken");
  CHECK(replace_file(folder / "taken", "x") != 0);
  CHECK(files_in(folder.path()) == std::vector<std::string>{"taken"});
}

TEST_CASE("a process that ends while it writes leaves no file behind") {
  const TemporaryFolder folder;
  const int ended = test::in_child([&] {
    const FileDescriptor here(open(folder.path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    const NewFile file(here.get(), 0600);
    write_all(file.get(), std::string_view("half"));
    kill(getpid(), SIGKILL);
    return 0;
  });
  CHECK(ended == -SIGKILL);
  // A file system without O_TMPFILE cannot guarantee it.
  const FileDescriptor probe(open(folder.path().c_str(), O_WRONLY | O_TMPFILE | O_CLOEXEC, 0600));
  if (probe.is_open()) CHECK(files_in(folder.path()).empty());
}

}  // namespace
}  // namespace gumtile::files
