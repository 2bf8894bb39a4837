#include "runtime/assembler/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <thread>
#include <utility>

#include "gumtile/error.h"

extern char** environ;

namespace gumtile::assembler {
namespace {

namespace fs = std::filesystem;

/// A program's files follow stdin, stdout and stderr. Ours lie above, so that handing one down cannot replace
/// another.
constexpr int kFirstFile = 3;
constexpr int kLowestDescriptor = 32;

[[noreturn]] void throw_errno(ErrorCode code, const char* what) {
  throw Error(code, fmt::format("{}: {}", what, std::strerror(errno)));
}

void write_all(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) throw_errno(ErrorCode::cannot_create, "a file in memory cannot be written");
    bytes.remove_prefix(static_cast<size_t>(written));
  }
}

/// What a program is given in place of this process's descriptors.
class FileActions {
 public:
  FileActions() { posix_spawn_file_actions_init(&actions_); }
  ~FileActions() { posix_spawn_file_actions_destroy(&actions_); }
  FileActions(const FileActions&) = delete;
  FileActions& operator=(const FileActions&) = delete;

  void open_for_reading(int descriptor, const char* path) {
    posix_spawn_file_actions_addopen(&actions_, descriptor, path, O_RDONLY, 0);
  }
  void hand_down(int from, int to) { posix_spawn_file_actions_adddup2(&actions_, from, to); }
  const posix_spawn_file_actions_t* get() const { return &actions_; }

 private:
  posix_spawn_file_actions_t actions_;
};

std::vector<fs::path> folders_of_tools() {
  std::vector<fs::path> folders;
  const char* path = std::getenv("PATH");
  std::string_view rest = path == nullptr ? "" : path;
  while (!rest.empty()) {
    const size_t end = rest.find(':');
    if (end != 0) folders.emplace_back(rest.substr(0, end));
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
  }
  if (const char* home = std::getenv("CUDA_HOME"); home != nullptr && *home != '\0')
    folders.push_back(fs::path(home) / "bin");
  folders.emplace_back("/usr/local/cuda/bin");
  return folders;
}

/// How the program is started: what this process does with signals is not the program's business.
class SpawnAttributes {
 public:
  SpawnAttributes() {
    posix_spawnattr_init(&attributes_);
    sigset_t signals;
    sigemptyset(&signals);
    posix_spawnattr_setsigmask(&attributes_, &signals);
    sigfillset(&signals);
    posix_spawnattr_setsigdefault(&attributes_, &signals);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  ~SpawnAttributes() { posix_spawnattr_destroy(&attributes_); }
  SpawnAttributes(const SpawnAttributes&) = delete;
  SpawnAttributes& operator=(const SpawnAttributes&) = delete;

  const posix_spawnattr_t* get() const { return &attributes_; }

 private:
  posix_spawnattr_t attributes_;
};

using Clock = std::chrono::steady_clock;

/// How a process ended; empty: well. Nothing: nobody can tell.
std::optional<std::string> wait_for(pid_t pid, Clock::time_point deadline) {
  std::chrono::milliseconds pause{1};
  bool killed = false;
  while (true) {
    int status = 0;
    const pid_t ended = waitpid(pid, &status, killed ? 0 : WNOHANG);
    if (ended < 0 && errno == EINTR) continue;
    if (killed) return "took too long and was killed";
    if (ended < 0) return std::nullopt;
    if (ended == pid) {
      if (WIFSIGNALED(status)) return fmt::format("was ended by signal {}", WTERMSIG(status));
      if (WEXITSTATUS(status) != 0) return fmt::format("failed with exit code {}", WEXITSTATUS(status));
      return "";
    }
    if (Clock::now() >= deadline) {
      kill(pid, SIGKILL);
      killed = true;
      continue;
    }
    std::this_thread::sleep_for(pause);
    pause = std::min(2 * pause, std::chrono::milliseconds(8));
  }
}

}  // namespace

std::optional<std::string> find_cuda_tool(const std::string& name) {
  for (const fs::path& folder : folders_of_tools()) {
    const fs::path candidate = folder / name;
    std::error_code ignored;
    if (fs::is_regular_file(candidate, ignored) && access(candidate.c_str(), X_OK) == 0)
      return candidate.string();
  }
  return std::nullopt;
}

MemoryFile::MemoryFile(std::string_view contents) {
  const int low = memfd_create("gumtile", MFD_CLOEXEC);
  if (low < 0) throw_errno(ErrorCode::cannot_create, "no file in memory");
  descriptor_ = fcntl(low, F_DUPFD_CLOEXEC, kLowestDescriptor);
  close(low);
  if (descriptor_ < 0) throw_errno(ErrorCode::cannot_create, "no file in memory");
  try {
    write_all(descriptor_, contents);
  } catch (...) {
    close(descriptor_);
    throw;
  }
}

MemoryFile::~MemoryFile() { close(descriptor_); }

std::string MemoryFile::contents() const {
  std::string bytes;
  std::array<char, 1 << 16> part;
  while (true) {
    const ssize_t got = pread(descriptor_, part.data(), part.size(), static_cast<off_t>(bytes.size()));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw_errno(ErrorCode::io, "a file in memory cannot be read");
    if (got == 0) return bytes;
    bytes.append(part.data(), static_cast<size_t>(got));
  }
}

std::string program_file(size_t index) { return fmt::format("/dev/fd/{}", kFirstFile + index); }

ProgramOutput run_program(std::vector<std::string> arguments,
                          const std::vector<std::reference_wrapper<const MemoryFile>>& files,
                          std::chrono::milliseconds deadline) {
  const MemoryFile out;
  const MemoryFile err;
  FileActions actions;
  actions.open_for_reading(STDIN_FILENO, "/dev/null");
  actions.hand_down(out.descriptor(), STDOUT_FILENO);
  actions.hand_down(err.descriptor(), STDERR_FILENO);
  for (size_t i = 0; i < files.size(); ++i)
    actions.hand_down(files[i].get().descriptor(), kFirstFile + static_cast<int>(i));
  std::vector<char*> argv;
  argv.reserve(arguments.size() + 1);
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);

  const SpawnAttributes attributes;
  const Clock::time_point end = Clock::now() + deadline;
  pid_t pid = 0;
  if (const int error = posix_spawn(&pid, argv[0], actions.get(), attributes.get(), argv.data(), environ);
      error != 0)
    throw Error(ErrorCode::device_unavailable,
                fmt::format("'{}' cannot be started: {}", arguments[0], std::strerror(error)));
  const std::optional<std::string> fault = wait_for(pid, end);
  ProgramOutput output{out.contents(), err.contents(), fault.has_value()};
  if (!fault || fault->empty()) return output;
  std::vector<std::string> notes;
  for (std::string* said : {&output.err, &output.out})
    if (!said->empty()) notes.push_back(std::move(*said));
  throw Error(ErrorCode::internal, fmt::format("'{}' {}", fmt::join(arguments, " "), *fault), notes);
}

}  // namespace gumtile::assembler
