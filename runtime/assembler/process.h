#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "files/posix_file.h"
#include "gumtile/error.h"

/// Programs run as processes, on files that are only in memory: nothing is left behind, however they or this
/// process end.
namespace gumtile::assembler {

/// A file in memory.
class MemoryFile {
 public:
  /// Throws Error(cannot_create).
  explicit MemoryFile(std::string_view contents = {});

  int descriptor() const { return file_.get(); }
  size_t size() const;
  /// Throws Error(io).
  std::string contents() const;

 private:
  files::FileDescriptor file_;
};

/// The executable file of this name in the first folder that has one: those of PATH, $CUDA_HOME/bin,
/// /usr/local/cuda/bin.
std::optional<std::string> find_cuda_tool(const std::string& name);

/// What a program wrote until it ended.
struct ProgramOutput {
  std::string out;         ///< the beginning, up to the limit
  std::string err;         ///< likewise
  bool ended_well = true;  ///< false: it is unknown how it ended
};

/// The beginning of a program's output, for a message: printable and of limited length. `all_bytes` is how
/// many bytes there were, if more than are kept.
std::string quoted(std::string_view words, size_t all_bytes = 0);

/// How long a program may take and how much it may write.
struct ProgramLimits {
  std::chrono::milliseconds deadline = std::chrono::minutes(1);
  size_t file_bytes = size_t{256} << 20;  ///< in each of its files
  size_t kept_bytes = size_t{64} << 10;   ///< of what it writes to stdout and to stderr
  /// Called about a hundred times per second; `true` ends the program.
  std::function<bool()> stop;
};

/// The name under which a program opens `files[index]` of `run_program`.
std::string program_file(size_t index);

/// A program was ended because it took too long.
class TookTooLong : public Error {
  using Error::Error;
};

/// Runs a program to its end, without this thread's signal mask and this process's signal settings.
/// `arguments[0]` is its path. It is the leader of a process group, all of which is killed when the program
/// has ended, exceeds `limits` or is to stop. Throws Error: device_unavailable if it cannot be started,
/// `TookTooLong`, cancelled, or internal if it fails, with the beginning of its messages as notes. If the
/// application waits for all its children itself, or ignores SIGCHLD, it is unknown how the program ended.
/// Thread safe.
ProgramOutput run_program(std::vector<std::string> arguments,
                          const std::vector<std::reference_wrapper<const MemoryFile>>& files,
                          const ProgramLimits& limits = {});

/// Kills all programs that `run_program` is running, with their groups: for a process that is about to end by
/// a signal, which does not reach them. May be called from a signal handler.
void kill_running_programs() noexcept;

}  // namespace gumtile::assembler
