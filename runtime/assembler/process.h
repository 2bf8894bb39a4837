#pragma once

#include <functional>
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

/// Under this name a program opens `files[index]` of `run_program`.
std::string program_file(size_t index);

/// Runs a program to its end and returns what it wrote to stdout and stderr together. `arguments[0]` is its
/// path. Throws Error: device_unavailable where it cannot be started, internal where it fails, with its words
/// as a note. Thread safe.
std::string run_program(std::vector<std::string> arguments,
                        const std::vector<std::reference_wrapper<const MemoryFile>>& files);

}  // namespace gumtile::assembler
