#include <fcntl.h>
#include <fmt/format.h>
#include <lld/Common/CommonLinkerContext.h>
#include <lld/Common/Driver.h>
#include <llvm/Support/raw_ostream.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "codegen/host/machine.h"
#include "codegen/host/unlinked_targets.h"
#include "gumtile/error.h"

LLD_HAS_DRIVER(elf)

namespace gumtile::codegen {
namespace {

/// A directory that goes away with its contents.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "gumtile-XXXXXX").string();
    if (!mkdtemp(pattern.data()))
      throw Error(ErrorCode::cannot_create,
                  fmt::format("cannot make a temporary directory like '{}'", pattern));
    path_ = pattern;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  std::string file(const char* name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

/// A named pipe that stands for lld's output file. Where that is a regular file, LLVM makes one of a
/// temporary name and installs signal handlers to remove it. The reader does not wait for the pipe's end,
/// which would not come as long as a process lives that was forked meanwhile.
class OutputPipe {
 public:
  explicit OutputPipe(std::string path) : path_(std::move(path)) {
    ended_ = eventfd(0, EFD_CLOEXEC);
    if (ended_ >= 0 && mkfifo(path_.c_str(), S_IRUSR | S_IWUSR) == 0) {
      read_end_ = open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);  // waits for no writer
      write_end_ =
          open(path_.c_str(), O_WRONLY | O_CLOEXEC);  // or the pipe would end before the linker opens it
    }
    if (read_end_ < 0 || write_end_ < 0) {
      const int error = errno;
      close_all();
      throw Error(ErrorCode::cannot_create,
                  fmt::format("cannot make the pipe '{}': {}", path_, std::strerror(error)));
    }
    try {
      reader_ = std::thread([this] { read_until_ended(); });
    } catch (const std::system_error& error) {
      close_all();
      throw Error(ErrorCode::device_unavailable,
                  fmt::format("no thread for the linker's output could be started: {}", error.what()));
    }
  }
  ~OutputPipe() {
    finish();
    close_all();
  }
  OutputPipe(const OutputPipe&) = delete;
  OutputPipe& operator=(const OutputPipe&) = delete;

  const std::string& path() const { return path_; }

  /// What was written. Nobody writes any more.
  const std::string& finish() {
    if (!reader_.joinable()) return bytes_;
    eventfd_write(ended_, 1);
    reader_.join();
    return bytes_;
  }

 private:
  void read_until_ended() {
    for (;;) {
      std::array<pollfd, 2> waits{{{read_end_, POLLIN, 0}, {ended_, POLLIN, 0}}};
      poll(waits.data(), waits.size(), -1);
      const bool ended = (waits[1].revents & POLLIN) != 0;
      read_what_is_there();
      if (ended) return;
    }
  }
  void read_what_is_there() {
    std::array<char, 65536> part;
    for (;;) {
      const ssize_t count = read(read_end_, part.data(), part.size());
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) return;
      bytes_.append(part.data(), static_cast<size_t>(count));
    }
  }
  void close_all() {
    for (const int descriptor : {read_end_, write_end_, ended_})
      if (descriptor >= 0) close(descriptor);
  }

  std::string path_;
  std::string bytes_;
  int ended_ = -1;  ///< an eventfd
  int read_end_ = -1;
  int write_end_ = -1;
  std::thread reader_;
};

}  // namespace

std::string link_shared_object(const std::string& object) {
  // lld keeps global state: one link at a time.
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  const TemporaryDirectory directory;
  const std::string input = directory.file("kernel.o");
  std::ofstream file(input, std::ios::binary);
  file.write(object.data(), static_cast<std::streamsize>(object.size()));
  file.close();
  if (!file) throw Error(ErrorCode::cannot_create, fmt::format("cannot write '{}'", input));
  std::string messages;
  llvm::raw_string_ostream stream(messages);
  OutputPipe output(directory.file("kernel.so"));
  const std::array<const char*, 8> arguments{
      "ld.lld",      "-shared",         "--no-undefined", "-o", output.path().c_str(),
      "--threads=1", "--build-id=none", input.c_str()};
  const bool linked = lld::elf::link(arguments, stream, stream, false, false);
  lld::CommonLinkerContext::destroy();  // lld leaves to its caller what it allocated
  if (!linked) throw Error(ErrorCode::internal, "lld could not link the generated object", {messages});
  return output.finish();
}

}  // namespace gumtile::codegen
