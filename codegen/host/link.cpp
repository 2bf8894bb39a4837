#include <fcntl.h>
#include <fmt/format.h>
#include <lld/Common/CommonLinkerContext.h>
#include <lld/Common/Driver.h>
#include <llvm/Support/raw_ostream.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <utility>

#include "codegen/host/machine.h"
#include "codegen/host/unlinked_targets.h"
#include "files/posix_file.h"
#include "files/temporary_folder.h"
#include "gumtile/error.h"

LLD_HAS_DRIVER(elf)

namespace gumtile::codegen {
namespace {

[[noreturn]] void cannot_make(const char* what, int error) {
  throw Error(ErrorCode::cannot_create, fmt::format("{} cannot be made: {}", what, std::strerror(error)));
}

/// The linker takes paths. Open files have paths without a folder, but only if /proc is there.
bool open_files_have_paths() { return access("/proc/self/fd", X_OK) == 0; }
std::string path_of(const files::FileDescriptor& file) { return fmt::format("/proc/self/fd/{}", file.get()); }

constexpr const char* kInput = "a file for the linker";
constexpr const char* kOutput = "a pipe for the linker";

/// The linker's input, in memory if a file in memory can have a path.
class InputFile {
 public:
  InputFile(std::string_view bytes, const std::optional<files::TemporaryFolder>& folder) {
    file_ = files::FileDescriptor(
        folder ? open(folder->file("kernel.o").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600)
               : memfd_create("gumtile-object", MFD_CLOEXEC));
    if (!file_.is_open()) cannot_make(kInput, errno);
    if (const int error = files::write_all(file_.get(), bytes); error != 0) cannot_make(kInput, error);
    path_ = folder ? folder->file("kernel.o") : path_of(file_);
  }
  const std::string& path() const { return path_; }

 private:
  files::FileDescriptor file_;
  std::string path_;
};

/// A pipe in place of lld's output file. If that were a regular file, LLVM would create one with a temporary
/// name and install signal handlers to remove it. The reader does not wait for the end of the pipe, which
/// would not come while any process lives that was forked in the meantime.
class OutputPipe {
 public:
  explicit OutputPipe(const std::optional<files::TemporaryFolder>& folder) {
    ended_ = files::FileDescriptor(eventfd(0, EFD_CLOEXEC));
    if (!ended_.is_open()) cannot_make(kOutput, errno);
    if (folder)
      open_named(folder->file("kernel.so"));
    else
      open_unnamed();
    try {
      reader_ = std::thread([this] { read_until_ended(); });
    } catch (const std::system_error& error) {
      throw Error(ErrorCode::device_unavailable,
                  fmt::format("no thread for the linker's output could be started ({}); raise the limit on "
                              "processes, or compile on fewer threads",
                              error.what()));
    }
  }
  ~OutputPipe() { finish(); }
  OutputPipe(const OutputPipe&) = delete;
  OutputPipe& operator=(const OutputPipe&) = delete;

  const std::string& path() const { return path_; }

  /// What was written. Call it when nobody writes any more.
  const std::string& finish() {
    if (!reader_.joinable()) return bytes_;
    eventfd_write(ended_.get(), 1);
    reader_.join();
    return bytes_;
  }

 private:
  // Our write end keeps the pipe from ending before the linker has opened it.
  void open_unnamed() {
    std::array<int, 2> ends{-1, -1};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) cannot_make(kOutput, errno);
    read_end_ = files::FileDescriptor(ends[0]);
    write_end_ = files::FileDescriptor(ends[1]);
    if (fcntl(read_end_.get(), F_SETFL, O_NONBLOCK) != 0) cannot_make(kOutput, errno);
    path_ = path_of(write_end_);
  }
  void open_named(std::string path) {
    path_ = std::move(path);
    if (mkfifo(path_.c_str(), S_IRUSR | S_IWUSR) != 0) cannot_make(kOutput, errno);
    read_end_ =
        files::FileDescriptor(open(path_.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));  // waits for no writer
    write_end_ = files::FileDescriptor(open(path_.c_str(), O_WRONLY | O_CLOEXEC));
    if (!read_end_.is_open() || !write_end_.is_open()) cannot_make(kOutput, errno);
  }
  void read_until_ended() {
    for (;;) {
      std::array<pollfd, 2> waits{{{read_end_.get(), POLLIN, 0}, {ended_.get(), POLLIN, 0}}};
      poll(waits.data(), waits.size(), -1);
      const bool ended = (waits[1].revents & POLLIN) != 0;
      read_what_is_there();
      if (ended) return;
    }
  }
  void read_what_is_there() {
    std::array<char, 65536> part;
    for (;;) {
      const ssize_t count = read(read_end_.get(), part.data(), part.size());
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) return;
      bytes_.append(part.data(), static_cast<size_t>(count));
    }
  }

  std::string path_;
  std::string bytes_;
  files::FileDescriptor ended_;  ///< an eventfd
  files::FileDescriptor read_end_;
  files::FileDescriptor write_end_;
  std::thread reader_;
};

}  // namespace

std::string link_shared_object(const std::string& object) {
  // lld keeps global state: one link at a time.
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  std::optional<files::TemporaryFolder> folder;
  if (!open_files_have_paths()) folder.emplace();
  const InputFile input(object, folder);
  std::string messages;
  llvm::raw_string_ostream stream(messages);
  OutputPipe output(folder);
  const std::array<const char*, 8> arguments{
      "ld.lld",      "-shared",         "--no-undefined",    "-o", output.path().c_str(),
      "--threads=1", "--build-id=none", input.path().c_str()};
  const bool linked = lld::elf::link(arguments, stream, stream, false, false);
  lld::CommonLinkerContext::destroy();  // lld leaves its allocations to the caller
  if (!linked) throw Error(ErrorCode::internal, "lld could not link the generated object", {messages});
  return output.finish();
}

}  // namespace gumtile::codegen
