#pragma once

#include <csignal>

namespace gumtile::tools {

/// Until the end of the scope the signals that ask the command to end (SIGINT, SIGTERM, SIGHUP) wait, on the
/// thread that made this and on those that it starts, so that child processes and files can be cleared away.
/// Those that the command was started to ignore (nohup) stay ignored.
class HeldTermination {
 public:
  HeldTermination();
  ~HeldTermination();
  HeldTermination(const HeldTermination&) = delete;
  HeldTermination& operator=(const HeldTermination&) = delete;

  /// A signal that came since, 0: none. Tells of each once.
  int take() const;

 private:
  sigset_t held_{};
  sigset_t before_{};
};

/// From now on a signal that ends the command (SIGINT, SIGTERM, SIGHUP) ends the programs that it runs, too,
/// an assembler for instance. They have process groups of their own, which a terminal's signals do not reach.
/// Signals that the command was started to ignore stay ignored.
void end_programs_with_command();

/// Ends the process as the signal would have, had it not been held. For SIGINT it returns: an interrupt has
/// an exit code and words of its own.
void end_by(int signal);

}  // namespace gumtile::tools
