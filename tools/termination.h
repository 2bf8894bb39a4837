#pragma once

#include <csignal>

namespace gumtile::tools {

/// Until the end of the scope the signals that end the command (SIGINT, SIGTERM, SIGHUP) are held on the
/// thread that created this and on those that it starts, so that child processes and files can be cleaned up.
/// Those that the command was started to ignore (nohup) stay ignored.
class HeldTermination {
 public:
  HeldTermination();
  ~HeldTermination();
  HeldTermination(const HeldTermination&) = delete;
  HeldTermination& operator=(const HeldTermination&) = delete;

  /// A signal that has arrived, 0: none. Returns each once.
  int take() const;

 private:
  sigset_t held_{};
  sigset_t before_{};
};

/// From now on a signal that ends the command (SIGINT, SIGTERM, SIGHUP) also ends the programs that it runs,
/// for instance an assembler. They have process groups of their own, which a terminal's signals do not reach.
/// Signals that the command was started to ignore stay ignored.
void end_programs_with_command();

/// Ends the process as the held signal would have. For SIGINT it returns: an interrupt has its own exit code
/// and message.
void end_by(int signal);

}  // namespace gumtile::tools
