#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <stdexcept>
#include <string>

#include "tools/output.h"

namespace gumtile::tools {

/// Thrown if a signal came while waiting.
struct Interrupted {};

/// From now on SIGINT (Ctrl-C), SIGTERM and, unless it is ignored as under nohup, SIGHUP are recorded instead
/// of ending the process, so that helper processes and temporary files are removed first; a fifth one ends
/// it. A terminal that is closed sends more than one.
void note_interrupts();
bool is_interrupted();
/// The signal that was recorded last; 0: none.
int interrupting_signal();

/// A worker died, did not answer in time or gave an invalid answer. `what()` says which. Only its task is
/// lost.
class WorkerFault : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A helper process: this executable as `gumtile worker ROLE FOLDER`. Lines of JSON go to it and come from
/// it; the files that they name are in the folder. Its stderr goes to a file there, whose last line says why
/// it died. Killed when this object is destroyed.
class WorkerProcess {
 public:
  /// `log`: the name of the file. Throws Error(device_unavailable) if no process can be started.
  WorkerProcess(const std::string& role, const std::filesystem::path& folder, const std::string& log);
  ~WorkerProcess();
  WorkerProcess(const WorkerProcess&) = delete;
  WorkerProcess& operator=(const WorkerProcess&) = delete;

  /// Throws WorkerFault if the worker is gone.
  void send(const Json& message);
  /// The next line. Throws WorkerFault, or Interrupted if a signal came.
  Json receive(std::chrono::milliseconds deadline);

 private:
  [[noreturn]] void report_death();

  std::filesystem::path log_;
  pid_t process_ = -1;
  int socket_ = -1;
  std::string received_;
};

/// A folder that only this user can enter, removed with its contents at the end.
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
