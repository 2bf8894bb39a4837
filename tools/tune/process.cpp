#include "tools/tune/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <thread>
#include <utility>

#include "gumtile/error.h"

namespace gumtile::tools {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

std::atomic<int> noted_signal = 0;
std::atomic<int> signals_noted = 0;
static_assert(std::atomic<int>::is_always_lock_free);  // else signal handlers may not use it

void note_interrupt(int signal) {
  constexpr int kPatience = 4;
  noted_signal = signal;
  if (++signals_noted >= kPatience) std::signal(signal, SIG_DFL);
}

/// What a new process gets: the socket as stdin and stdout, a file as stderr, default signal settings, and a
/// process group of its own, so that a terminal's Ctrl-C reaches only the tuner.
class SpawnSetup {
 public:
  SpawnSetup(int socket, const fs::path& log) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawn_file_actions_adddup2(&actions_, socket, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions_, socket, STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&actions_, STDERR_FILENO, log.c_str(), O_WRONLY | O_CREAT | O_TRUNC,
                                     0600);
    posix_spawnattr_init(&attributes_);
    sigset_t defaults;
    sigemptyset(&defaults);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGPIPE}) sigaddset(&defaults, signal);
    posix_spawnattr_setsigdefault(&attributes_, &defaults);
    posix_spawnattr_setpgroup(&attributes_, 0);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  }
  ~SpawnSetup() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }
  SpawnSetup(const SpawnSetup&) = delete;
  SpawnSetup& operator=(const SpawnSetup&) = delete;

  /// An errno, 0 for success.
  int spawn(pid_t& process, const std::string& role, const fs::path& folder) const {
    std::array<std::string, 4> words{"gumtile", "worker", role, folder.string()};
    std::array<char*, 5> arguments{words[0].data(), words[1].data(), words[2].data(), words[3].data(),
                                   nullptr};
    return posix_spawn(&process, "/proc/self/exe", &actions_, &attributes_, arguments.data(), environ);
  }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

std::string last_line(const fs::path& file) {
  std::ifstream in(file);
  std::string last;
  for (std::string line; std::getline(in, line);)
    if (!line.empty()) last = line;
  constexpr size_t kLongest = 200;
  return last.substr(0, kLongest);
}

}  // namespace

void note_interrupts() {
  struct sigaction action {};
  action.sa_handler = note_interrupt;
  sigaction(SIGINT, &action, nullptr);
  sigaction(SIGTERM, &action, nullptr);
  struct sigaction before {};
  sigaction(SIGHUP, nullptr, &before);
  if (before.sa_handler != SIG_IGN) sigaction(SIGHUP, &action, nullptr);
}

bool is_interrupted() { return noted_signal != 0; }
int interrupting_signal() { return noted_signal; }

WorkerProcess::WorkerProcess(const std::string& role, const fs::path& folder, const std::string& log)
    : log_(folder / log) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
    throw Error(ErrorCode::device_unavailable,
                fmt::format("no pipe to a helper process: {}", std::strerror(errno)));
  socket_ = ends[0];
  const int failed = SpawnSetup(ends[1], log_).spawn(process_, role, folder);
  ::close(ends[1]);
  if (failed == 0) return;
  ::close(socket_);
  throw Error(ErrorCode::device_unavailable,
              fmt::format("a helper process cannot be started: {}", std::strerror(failed)));
}

WorkerProcess::~WorkerProcess() {
  ::close(socket_);
  if (process_ <= 0) return;
  // It ends the processes that it has started, e.g. ptxas, which has a process group of its own. If it does
  // not end by itself, it is killed.
  ::kill(process_, SIGTERM);
  constexpr std::chrono::milliseconds kGrace{500};
  const Clock::time_point end = Clock::now() + kGrace;
  while (::waitpid(process_, nullptr, WNOHANG) == 0) {
    if (Clock::now() >= end) {
      ::kill(-process_, SIGKILL);
      break;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  while (::waitpid(process_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

void WorkerProcess::send(const Json& message) {
  const std::string line = json_text(message, -1);
  std::string_view rest = line;
  while (!rest.empty()) {
    const ssize_t sent = ::send(socket_, rest.data(), rest.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) report_death();
    rest.remove_prefix(static_cast<size_t>(sent));
  }
}

Json WorkerProcess::receive(std::chrono::milliseconds deadline) {
  constexpr std::chrono::milliseconds kSlice{50};
  const Clock::time_point end = Clock::now() + deadline;
  size_t line_end = 0;
  while ((line_end = received_.find('\n')) == std::string::npos) {
    if (is_interrupted()) throw Interrupted{};
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - Clock::now());
    if (left.count() <= 0)
      throw WorkerFault(
          fmt::format("no answer within {:.3g} s", 1e-3 * static_cast<double>(deadline.count())));
    pollfd waiting{socket_, POLLIN, 0};
    if (::poll(&waiting, 1, static_cast<int>(std::min(left, kSlice).count())) <= 0) continue;
    std::array<char, 1 << 16> bytes{};
    const ssize_t count = ::recv(socket_, bytes.data(), bytes.size(), 0);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) report_death();
    received_.append(bytes.data(), static_cast<size_t>(count));
  }
  const std::string line = received_.substr(0, line_end);
  received_.erase(0, line_end + 1);
  Json message = Json::parse(line, nullptr, false);
  if (!message.is_object()) throw WorkerFault("answered something that is not JSON");
  return message;
}

void WorkerProcess::report_death() {
  ::kill(-process_, SIGKILL);
  int status = 0;
  while (::waitpid(process_, &status, 0) < 0 && errno == EINTR) {
  }
  process_ = -1;
  std::string why = WIFSIGNALED(status) ? fmt::format("died: {}", strsignal(WTERMSIG(status)))
                                        : fmt::format("ended with code {}", WEXITSTATUS(status));
  if (const std::string line = last_line(log_); !line.empty()) why += fmt::format(" ({})", line);
  throw WorkerFault(why);
}

}  // namespace gumtile::tools
