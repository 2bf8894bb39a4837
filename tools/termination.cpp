#include "tools/termination.h"

#include <pthread.h>

#include <algorithm>
#include <ctime>

namespace gumtile::tools {

HeldTermination::HeldTermination() {
  sigemptyset(&held_);
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction action {};
    if (sigaction(signal, nullptr, &action) == 0 && action.sa_handler != SIG_IGN) sigaddset(&held_, signal);
  }
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
