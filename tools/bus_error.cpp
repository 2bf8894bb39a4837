#include "tools/bus_error.h"

#include <unistd.h>

#include <csignal>
#include <cstring>

#include "gumtile/error.h"
#include "runtime/io/mappings.h"

namespace gumtile::tools {
namespace {

void write_text(const char* text) {
  size_t left = std::strlen(text);
  while (left != 0) {
    const ssize_t written = ::write(STDERR_FILENO, text, left);
    if (written <= 0) return;
    text += written;
    left -= static_cast<size_t>(written);
  }
}

// May run on any thread at any time: calls only functions that POSIX lists as async-signal-safe.
void on_bus_error(int, siginfo_t* info, void*) {
  const char* file = io::mapping_name(info->si_addr);
  if (file == nullptr) {  // not ours: the instruction runs again and ends the process
    struct sigaction action {};
    action.sa_handler = SIG_DFL;
    ::sigaction(SIGBUS, &action, nullptr);
    return;
  }
  write_text("gumtile: ");
  write_text(file);
  write_text(
      ": cannot be read: it was cut short, or its medium failed, while it was open; replace files by "
      "renaming, "
      "and start again\n");
  ::_exit(static_cast<int>(ErrorCode::io));
}

}  // namespace

void install_bus_error_handler() {
  struct sigaction action {};
  action.sa_sigaction = on_bus_error;
  action.sa_flags = SA_SIGINFO;
  sigemptyset(&action.sa_mask);
  ::sigaction(SIGBUS, &action, nullptr);
}

}  // namespace gumtile::tools
