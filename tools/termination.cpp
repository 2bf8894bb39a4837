#include "tools/termination.h"

#include <pthread.h>

#include <algorithm>
#include <array>
#include <ctime>

#include "runtime/assembler/process.h"

namespace gumtile::tools {

namespace {

constexpr std::array<int, 3> kSignals{SIGINT, SIGTERM, SIGHUP};

bool is_ignored(int signal) {
  struct sigaction action {};
  return sigaction(signal, nullptr, &action) == 0 && action.sa_handler == SIG_IGN;
}

/// The signal's default action ends the process, once this handler returns and the signal is no longer
/// blocked.
void end_programs_and_process(int signal) {
  assembler::kill_running_programs();
  std::signal(signal, SIG_DFL);
  raise(signal);
}

}  // namespace

void end_programs_with_command() {
  for (const int signal : kSignals)
    if (!is_ignored(signal)) std::signal(signal, end_programs_and_process);
}

HeldTermination::HeldTermination() {
  sigemptyset(&held_);
  for (const int signal : kSignals)
    if (!is_ignored(signal)) sigaddset(&held_, signal);
  pthread_sigmask(SIG_BLOCK, &held_, &before_);
}

HeldTermination::~HeldTermination() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

int HeldTermination::take() const {
  const timespec none{};
  return std::max(0, sigtimedwait(&held_, nullptr, &none));
}

void end_by(int signal) {
  if (signal == SIGINT) return;
  std::signal(signal, SIG_DFL);
  sigset_t only;
  sigemptyset(&only);
  sigaddset(&only, signal);
  pthread_sigmask(SIG_UNBLOCK, &only, nullptr);
  raise(signal);
}

}  // namespace gumtile::tools
