#include "tools/streams.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

#include "gumtile/error.h"

namespace gumtile::tools {
namespace {

/// Whether the program ends if it writes to a pipe without a reader, as shells expect.
bool ends_at_broken_pipes = false;

/// Waits up to `patience_ms` (negative: forever) for a stream that cannot be written at the moment. False,
/// with errno, if it does not take all of `text`.
bool write_all(int descriptor, std::string_view text, int patience_ms) noexcept {
  while (!text.empty()) {
    const ssize_t written = ::write(descriptor, text.data(), text.size());
    if (written >= 0) {
      text.remove_prefix(static_cast<size_t>(written));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return false;
    pollfd waiting{descriptor, POLLOUT, 0};
    if (::poll(&waiting, 1, patience_ms) == 0) {
      errno = EAGAIN;
      return false;
    }
  }
  return true;
}

}  // namespace

void prepare_streams() noexcept {
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(stream, F_GETFD) >= 0 || errno != EBADF) continue;
    // The lowest free descriptor is this one. Opened in the wrong direction, so that a result is not lost
    // silently.
    const int flags = stream == STDIN_FILENO ? O_WRONLY : O_RDONLY;
    if (::open("/dev/null", flags) < 0) ::open("/", O_RDONLY);
  }
  ends_at_broken_pipes = std::signal(SIGPIPE, SIG_IGN) == SIG_DFL;
}

void write_stdout(std::string_view text) {
  if (write_all(STDOUT_FILENO, text, -1)) return;
  const int why = errno;
  if (why == EPIPE && ends_at_broken_pipes) {
    std::signal(SIGPIPE, SIG_DFL);
    std::raise(SIGPIPE);
  }
  throw Error(ErrorCode::cannot_create,
              fmt::format("the result cannot be written to stdout: {}", std::strerror(why)));
}

void write_stderr(std::string_view text) noexcept {
  constexpr int kPatienceMs = 1000;
  write_all(STDERR_FILENO, text, kPatienceMs);
}

StatusLine::StatusLine() noexcept : is_terminal_(is_stderr_terminal()) {}

StatusLine::~StatusLine() { clear(); }

void StatusLine::show(std::string_view text) {
  if (!is_terminal_) return;
  print_stderr("\r\033[K{}", text);
  is_shown_ = true;
}

void StatusLine::clear() noexcept {
  if (is_shown_) write_stderr("\r\033[K");
  is_shown_ = false;
}

bool is_stdout_terminal() noexcept { return isatty(STDOUT_FILENO) != 0; }
bool is_stderr_terminal() noexcept { return isatty(STDERR_FILENO) != 0; }

Log warnings_to_stderr() { return log_to_stderr(log_level_from_environment().value_or(LogLevel::warning)); }

}  // namespace gumtile::tools
