#include "runtime/assembler/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <poll.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <utility>

extern char** environ;

namespace gumtile::assembler {
namespace {

namespace fs = std::filesystem;
using files::FileDescriptor;

/// A program's files follow stdin, stdout and stderr. Ours have higher numbers, so that passing one on cannot
/// replace another.
constexpr int kFirstFile = 3;
constexpr int kLowestDescriptor = 32;

[[noreturn]] void throw_errno(ErrorCode code, const char* what) {
  throw Error(code, fmt::format("{}: {}", what, std::strerror(errno)));
}

/// The descriptors that a program gets instead of this process's.
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

/// How the program is started: it does not inherit this process's signal settings.
class SpawnAttributes {
 public:
  SpawnAttributes() {
    posix_spawnattr_init(&attributes_);
    sigset_t signals;
    sigemptyset(&signals);
    posix_spawnattr_setsigmask(&attributes_, &signals);
    sigfillset(&signals);
    posix_spawnattr_setsigdefault(&attributes_, &signals);
    posix_spawnattr_setpgroup(&attributes_, 0);  // a group of its own, which can be killed as a whole
    posix_spawnattr_setflags(&attributes_,
                             POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  }
  ~SpawnAttributes() { posix_spawnattr_destroy(&attributes_); }
  SpawnAttributes(const SpawnAttributes&) = delete;
  SpawnAttributes& operator=(const SpawnAttributes&) = delete;

  const posix_spawnattr_t* get() const { return &attributes_; }

 private:
  posix_spawnattr_t attributes_;
};

using Clock = std::chrono::steady_clock;

/// A descriptor above those that are passed on.
FileDescriptor lifted(FileDescriptor low, const char* what) {
  if (!low.is_open()) throw_errno(ErrorCode::cannot_create, what);
  FileDescriptor high(fcntl(low.get(), F_DUPFD_CLOEXEC, kLowestDescriptor));
  if (!high.is_open()) throw_errno(ErrorCode::cannot_create, what);
  return high;
}

/// Text that a program writes into a pipe: all of it is read, and the beginning is kept. It does not wait for
/// the pipe's end, since processes that the program leaves behind may keep it open.
class BoundedText {
 public:
  explicit BoundedText(size_t most_kept) : most_kept_(most_kept) {
    std::array<int, 2> ends{-1, -1};
    if (pipe2(ends.data(), O_CLOEXEC) != 0) throw_errno(ErrorCode::cannot_create, "no pipe");
    FileDescriptor read_end(ends[0]);
    FileDescriptor write_end(ends[1]);
    read_end_ = lifted(std::move(read_end), "no pipe");
    write_end_ = lifted(std::move(write_end), "no pipe");
    fcntl(read_end_.get(), F_SETFL, O_NONBLOCK);
  }

  int write_end() const { return write_end_.get(); }
  /// To be called once the program has the write end.
  void close_write_end() { write_end_ = FileDescriptor(); }
  /// For poll(2), which ignores a negative descriptor.
  int waits_on() const { return read_end_.get(); }

  /// Reads what is there, at most one full pipe.
  void read_some() {
    std::array<char, 1 << 16> part;
    while (read_end_.is_open()) {
      const ssize_t got = read(read_end_.get(), part.data(), part.size());
      if (got < 0 && errno == EINTR) continue;
      if (got < 0 && errno == EAGAIN) return;
      if (got <= 0) {
        read_end_ = FileDescriptor();
        return;
      }
      const auto bytes = static_cast<size_t>(got);
      kept_.append(part.data(), std::min(bytes, most_kept_ - kept_.size()));
      all_ += bytes;
      return;
    }
  }

  const std::string& kept() const { return kept_; }
  std::string quote() const { return quoted(kept_, all_); }

 private:
  size_t most_kept_;
  FileDescriptor read_end_;
  FileDescriptor write_end_;
  std::string kept_;
  size_t all_ = 0;
};

/// The leaders of the running groups, for a signal handler; 0: free. It does not know of more than these.
std::array<std::atomic<pid_t>, 256> running{};
static_assert(std::atomic<pid_t>::is_always_lock_free);

void replace_running(pid_t old, pid_t now) {
  for (std::atomic<pid_t>& slot : running) {
    pid_t expected = old;
    if (slot.compare_exchange_strong(expected, now)) return;
  }
}

/// A process group that this process started. It ends with this object.
class ProcessGroup {
 public:
  explicit ProcessGroup(pid_t leader) : leader_(leader) { replace_running(0, leader); }
  ~ProcessGroup() {
    if (!reaped_) end();
  }
  ProcessGroup(const ProcessGroup&) = delete;
  ProcessGroup& operator=(const ProcessGroup&) = delete;

  /// Whether the leader has ended. Until it is waited for, its number remains the group's.
  bool has_ended() {
    siginfo_t info{};
    const int result = waitid(P_PID, static_cast<id_t>(leader_), &info, WEXITED | WNOHANG | WNOWAIT);
    if (result != 0 && errno == ECHILD) {
      reaped_ = unknown_ = true;
      replace_running(leader_, 0);
    }
    return unknown_ || (result == 0 && info.si_pid == leader_);
  }

  /// Kills what is left of the group. Returns how the leader ended; nothing: that is unknown.
  std::optional<int> end() {
    if (unknown_) return std::nullopt;
    kill(-leader_, SIGKILL);
    replace_running(leader_, 0);
    int status = 0;
    pid_t ended = 0;
    do {
      ended = waitpid(leader_, &status, 0);
    } while (ended < 0 && errno == EINTR);
    reaped_ = true;
    return ended == leader_ ? std::optional(status) : std::nullopt;
  }

 private:
  pid_t leader_;
  bool reaped_ = false;
  bool unknown_ = false;  ///< another part of the process has waited for it
};

/// Why the program failed; empty if it did not.
std::string fault_of(int status) {
  if (WIFSIGNALED(status)) return fmt::format("was ended by signal {}", WTERMSIG(status));
  if (WEXITSTATUS(status) != 0) return fmt::format("failed with exit code {}", WEXITSTATUS(status));
  return {};
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

MemoryFile::MemoryFile(std::string_view contents)
    : file_(lifted(FileDescriptor(memfd_create("gumtile", MFD_CLOEXEC)), "no file in memory")) {
  if (const int error = files::write_all(file_.get(), contents); error != 0) {
    errno = error;
    throw_errno(ErrorCode::cannot_create, "a file in memory cannot be written");
  }
}

size_t MemoryFile::size() const {
  struct stat status {};
  return fstat(file_.get(), &status) == 0 ? static_cast<size_t>(status.st_size) : 0;
}

std::string MemoryFile::contents() const {
  std::string bytes;
  std::array<char, 1 << 16> part;
  while (true) {
    const ssize_t got = pread(file_.get(), part.data(), part.size(), static_cast<off_t>(bytes.size()));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw_errno(ErrorCode::io, "a file in memory cannot be read");
    if (got == 0) return bytes;
    bytes.append(part.data(), static_cast<size_t>(got));
  }
}

std::string quoted(std::string_view words, size_t all_bytes) {
  constexpr size_t kMostQuoted = 2048;
  std::string text;
  for (const char c : words.substr(0, kMostQuoted)) {
    const bool printable = (c >= ' ' && c <= '~') || c == '\n' || c == '\t';
    text += printable ? std::string(1, c) : fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  }
  const size_t all = std::max(words.size(), all_bytes);
  if (all > kMostQuoted) text += fmt::format(" … and {} bytes more", all - kMostQuoted);
  return text;
}

std::string program_file(size_t index) { return fmt::format("/dev/fd/{}", kFirstFile + index); }

ProgramOutput run_program(std::vector<std::string> arguments,
                          const std::vector<std::reference_wrapper<const MemoryFile>>& files,
                          const ProgramLimits& limits) {
  BoundedText out(limits.kept_bytes);
  BoundedText err(limits.kept_bytes);
  FileActions actions;
  actions.open_for_reading(STDIN_FILENO, "/dev/null");
  actions.hand_down(out.write_end(), STDOUT_FILENO);
  actions.hand_down(err.write_end(), STDERR_FILENO);
  for (size_t i = 0; i < files.size(); ++i)
    actions.hand_down(files[i].get().descriptor(), kFirstFile + static_cast<int>(i));
  std::vector<char*> argv;
  argv.reserve(arguments.size() + 1);
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);

  const SpawnAttributes attributes;
  const Clock::time_point end = Clock::now() + limits.deadline;
  pid_t pid = 0;
  if (const int error = posix_spawn(&pid, argv[0], actions.get(), attributes.get(), argv.data(), environ);
      error != 0)
    throw Error(ErrorCode::device_unavailable,
                fmt::format("'{}' cannot be started: {}{}", arguments[0], std::strerror(error),
                            error == EAGAIN ? "; raise the limit on processes" : ""));
  ProcessGroup group(pid);
  out.close_write_end();
  err.close_write_end();

  // Ends it; returns the Error's text and notes.
  const auto ended = [&](std::string_view why) {
    group.end();
    std::vector<std::string> notes;
    for (const BoundedText* said : {&err, &out})
      if (!said->kept().empty()) notes.push_back(said->quote());
    return std::pair(fmt::format("'{}' {}", fmt::join(arguments, " "), why), std::move(notes));
  };
  const auto fail = [&](ErrorCode code, std::string_view why) {
    auto [message, notes] = ended(why);
    throw Error(code, message, std::move(notes));
  };
  const auto writes_too_much = [&](const MemoryFile& file) { return file.size() > limits.file_bytes; };
  int pause_ms = 1;
  while (!group.has_ended()) {
    if (Clock::now() >= end) {
      auto [message, notes] = ended("took too long and was killed");
      throw TookTooLong(ErrorCode::device_unavailable, message, std::move(notes));
    }
    if (limits.stop && limits.stop()) fail(ErrorCode::cancelled, "was stopped");
    if (std::ranges::any_of(files, writes_too_much))
      fail(ErrorCode::internal, "wrote too much and was killed");
    std::array<pollfd, 2> waits{{{out.waits_on(), POLLIN, 0}, {err.waits_on(), POLLIN, 0}}};
    if (poll(waits.data(), waits.size(), pause_ms) == 0) pause_ms = std::min(2 * pause_ms, 8);
    out.read_some();
    err.read_some();
  }
  const std::optional<int> status = group.end();
  // The last output; a pipe holds 64 KiB, and processes that survived the group's end must not keep us here.
  constexpr int kLastReads = 16;
  for (int i = 0; i < kLastReads; ++i) {
    out.read_some();
    err.read_some();
  }
  if (status && !fault_of(*status).empty()) fail(ErrorCode::internal, fault_of(*status));
  if (std::ranges::any_of(files, writes_too_much)) fail(ErrorCode::internal, "wrote too much");
  return {out.kept(), err.kept(), status.has_value()};
}

void kill_running_programs() noexcept {
  for (const std::atomic<pid_t>& slot : running)
    if (const pid_t leader = slot.load(); leader != 0) kill(-leader, SIGKILL);
}

}  // namespace gumtile::assembler
