// Files for a user's results: the kind of an existing file does not change.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <string>
#include <thread>

#include "files/posix_file.h"
#include "gumtile/error.h"
#include "gumtile/tensor_file.h"
#include "runtime/io/output_file.h"
#include "tests/cache_fixture.h"

namespace gumtile::io {
namespace {

namespace fs = std::filesystem;
using files::FileDescriptor;
using files::write_all;
using test::files_in;
using test::read_file;
using test::TemporaryFolder;
using test::write_file;

/// The message of the Error(cannot_create) that `action` throws.
template <typename Action>
std::string refusal(const Action& action) {
  try {
    action();
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::cannot_create);
    return error.what();
  }
  return "no error";
}

bool names(const std::string& message, const std::string& part) {
  return message.find(part) != std::string::npos;
}

TEST_CASE("a path that cannot be written is refused before the work, by its name") {
  const TemporaryFolder folder;
  fs::create_directory(folder / "taken");
  for (const std::string& path : {std::string((folder / "missing/file").string()),
                                  (folder / "taken").string(), (folder / "absent/").string(), std::string()})
    CHECK(names(refusal([&] { OutputFile output(path); }), path));
  CHECK(names(refusal([&] { OutputFile output(folder / "missing/file"); }), "make the folder first"));
  fs::create_symlink(folder / "loop", folder / "loop");
  CHECK(names(refusal([&] { OutputFile output(folder / "loop"); }), "loop"));
}

TEST_CASE("trying a path changes nothing") {
  const TemporaryFolder folder;
  write_file(folder / "there", "old");
  const OutputFile there(folder / "there");
  const OutputFile absent(folder / "absent");
  CHECK(there.is_regular());
  CHECK(absent.is_regular());
  CHECK(read_file(folder / "there") == "old");
  CHECK(files_in(folder.path()) == std::vector<std::string>{"there"});
}

TEST_CASE("users without the right to write are told before the work") {
  const TemporaryFolder folder;
  REQUIRE(chmod(folder.path().c_str(), 0755) == 0);
  write_file(folder / "readable", "old");
  REQUIRE(chmod((folder / "readable").c_str(), 0644) == 0);
  write_file(folder / "shared", "old");
  REQUIRE(chmod((folder / "shared").c_str(), 0666) == 0);
  if (geteuid() != 0) REQUIRE(chmod(folder.path().c_str(), 0555) == 0);
  const int result = test::in_child([&] {
    test::become_nobody();
    if (!names(refusal([&] { OutputFile output(folder / "new"); }), "may write")) return 1;
    if (geteuid() != 0 && access((folder / "readable").c_str(), W_OK) != 0 &&
        !names(refusal([&] { OutputFile output(folder / "readable"); }), "may write"))
      return 2;
    OutputFile(folder / "shared").write("new");  // the folder refuses a replacement; the file itself does not
    return 0;
  });
  CHECK(result == 0);
  CHECK(read_file(folder / "shared") == "new");
}

TEST_CASE("a symbolic link stays, and what it leads to is replaced") {
  const TemporaryFolder folder;
  fs::create_directory(folder / "real");
  write_file(folder / "real/file", "old");
  fs::create_symlink("real/file", folder / "link");
  fs::create_symlink("link", folder / "link to link");
  OutputFile(folder / "link to link").write("new");
  CHECK(fs::is_symlink(folder / "link"));
  CHECK(read_file(folder / "real/file") == "new");
  fs::create_symlink("real/absent", folder / "dangling");
  OutputFile(folder / "dangling").write("made");
  CHECK(fs::is_symlink(folder / "dangling"));
  CHECK(read_file(folder / "real/absent") == "made");
}

TEST_CASE("a named pipe stays one, and its reader gets all") {
  const TemporaryFolder folder;
  const std::string path = folder / "pipe";
  REQUIRE(mkfifo(path.c_str(), 0600) == 0);
  const OutputFile output(path);  // does not wait for a reader
  CHECK_FALSE(output.is_regular());
  const std::string sent(200000, 'x');  // more than a pipe holds
  std::string got;
  std::thread reader([&] { got = read_file(path); });
  output.write(sent);
  reader.join();
  CHECK(got == sent);
  CHECK(fs::is_fifo(path));
}

TEST_CASE("a reader that goes away is an error, not the end of the process") {
  const TemporaryFolder folder;
  const std::string path = folder / "pipe";
  REQUIRE(mkfifo(path.c_str(), 0600) == 0);
  const OutputFile output(path);
  std::thread reader([&] {
    const FileDescriptor end(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    char byte = 0;
    CHECK(read(end.get(), &byte, 1) == 1);
  });
  CHECK(names(refusal([&] { output.write(std::string(4000000, 'x')); }), "Broken pipe"));
  reader.join();
}

TEST_CASE("a device stays one") {
  const TemporaryFolder folder;
  const std::string path = folder / "null";
  if (mknod(path.c_str(), S_IFCHR | 0666, makedev(1, 3)) == 0) {
    OutputFile(path).write("gone");
    CHECK(fs::is_character_file(path));
  }
  const OutputFile full("/dev/full");
  CHECK(names(refusal([&] { full.write("x"); }), "make space"));
}

TEST_CASE("a name for a descriptor of this process is that descriptor") {
  const TemporaryFolder folder;
  const std::string target = folder / "redirected";
  const FileDescriptor file(open(target.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  REQUIRE(write_all(file.get(), std::string_view("before ")) == 0);
  for (const std::string& prefix : {std::string("/dev/fd/"), std::string("/proc/self/fd/")}) {
    const OutputFile output(prefix + std::to_string(file.get()));
    CHECK_FALSE(output.is_regular());
    CHECK_FALSE(output.is_stdout());
    output.write("x");
  }
  CHECK(read_file(target) == "before xx");  // behind what was written, in the same file
  const FileDescriptor readable(open(target.c_str(), O_RDONLY | O_CLOEXEC));
  CHECK(names(refusal([&] { OutputFile output("/dev/fd/" + std::to_string(readable.get())); }), "/dev/fd"));
  CHECK(OutputFile("/dev/stdout").is_stdout());
}

TEST_CASE("write_safetensors writes as every output is written") {
  const TemporaryFolder folder;
  write_file(folder / "file.safetensors", "old");
  REQUIRE(chmod((folder / "file.safetensors").c_str(), 0640) == 0);
  fs::create_symlink("file.safetensors", folder / "link");
  const std::array<float, 2> values{1, 2};
  const NamedTensor tensor{"t", DType::f32, {2}, std::as_bytes(std::span(values))};
  write_safetensors(folder / "link", {&tensor, 1});
  CHECK(fs::is_symlink(folder / "link"));
  struct stat status {};
  REQUIRE(stat((folder / "file.safetensors").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0640);
  CHECK(open_tensor((folder / "file.safetensors:t").string()).view().shape == std::vector<int64_t>{2});
}

}  // namespace
}  // namespace gumtile::io
