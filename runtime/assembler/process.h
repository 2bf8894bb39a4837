#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// Programs run as processes, on files that are only in memory: nothing is left behind however they, or this
/// process, end.
namespace gumtile::assembler {

/// A file in memory.
class MemoryFile {
 public:
  /// Throws Error(cannot_create).
  explicit MemoryFile(std::string_view contents = {});
  ~MemoryFile();
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;

  int descriptor() const { return descriptor_; }
  /// Throws Error(io).
  std::string contents() const;

 private:
  int descriptor_;
};

/// The executable file of this name in the first folder that has one, of those of PATH, $CUDA_HOME/bin and
/// /usr/local/cuda/bin.
std::optional<std::string> find_cuda_tool(const std::string& name);

/// What a program wrote to its end.
struct ProgramOutput {
  std::string out;
  std::string err;
  bool ended_well = true;  ///< false: nobody can tell how it ended
};

/// Under this name a program opens `files[index]` of `run_program`.
std::string program_file(size_t index);

/// Runs a program to its end, without the signal mask of this thread and what this process does with signals.
/// `arguments[0]` is its path. Where it takes longer than `deadline` it is killed. Throws Error:
/// device_unavailable where it cannot be started, internal where it fails, with its words as notes. Where the
/// application awaits all its children itself, or ignores their ends, nobody can tell how it ended. Thread
/// safe.
ProgramOutput run_program(std::vector<std::string> arguments,
                          const std::vector<std::reference_wrapper<const MemoryFile>>& files,
                          std::chrono::milliseconds deadline = std::chrono::minutes(1));

}  // namespace gumtile::assembler
