#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <stdexcept>
#include <string>

#include "tools/output.h"

namespace gumtile::tools {

/// Thrown where Ctrl-C was pressed while something was waited for.
struct Interrupted {};

/// From now on Ctrl-C (SIGINT, SIGTERM) is noted instead of ending the process; a second one ends it.
void note_interrupts();
bool is_interrupted();

/// A worker died, did not answer in time or answered nonsense. `what()` says which. Only its task is lost.
class WorkerFault : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A helper process: this executable as `gumtile worker ROLE`. Lines of JSON go to it and come from it. What
/// it writes to stderr goes to a file, whose last line says why it died. Killed when this object ends.
class WorkerProcess {
 public:
  /// Throws Error(device_unavailable) where no process can be started.
  WorkerProcess(const std::string& role, std::filesystem::path log);
  ~WorkerProcess();
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;

  /// Throws WorkerFault where the worker is gone.
  void send(const Json& message);
  /// The next line. Throws WorkerFault, and then Interrupted where Ctrl-C was pressed.
  Json receive(std::chrono::milliseconds deadline);

 private:
  [[noreturn]] void report_death();

  std::filesystem::path log_;
  pid_t process_ = -1;
  int socket_ = -1;
  std::string received_;
};

/// A folder that only this user can enter, with all that is in it removed at the end.
class PrivateFolder {
 public:
  PrivateFolder();
  ~PrivateFolder();
  PrivateFolder(const PrivateFolder&) = delete;
  PrivateFolder& operator=(const PrivateFolder&) = delete;
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace gumtile::tools
