#pragma once

#include <signal.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "gumtile/target.h"

/// Programs of the CUDA toolkit, run as processes.
namespace gumtile::tools {

/// The executable file of this name in a folder of PATH.
std::optional<std::string> find_on_path(const std::string& tool);

/// A folder that is gone at the end of the scope. Until then an interrupt waits on the thread that made it,
/// so that it does not stay behind.
class TemporaryFolder {
 public:
  /// Throws Error(cannot_create).
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  std::filesystem::path operator/(const std::string& file) const { return path_ / file; }
  const sigset_t& mask() const { return mask_; }  ///< for children: interrupts reach them

 private:
  std::filesystem::path path_;
  sigset_t mask_{};
};

/// Runs a tool to its end and returns what it wrote to stdout. Throws Error: device_unavailable where it
/// cannot be started, internal with the tool's own words where it fails. `name` tells concurrent runs in one
/// folder apart. Thread safe.
std::string run_tool(const TemporaryFolder& folder, std::vector<std::string> arguments,
                     const std::string& name = "tool");

std::string read_file(const std::filesystem::path& path);
/// Throws Error(cannot_create).
void write_file(const std::filesystem::path& path, const std::string& bytes);

/// The cubin that `ptxas` makes of PTX for a target. Throws as `run_tool`. Thread safe with names of their
/// own.
std::string assemble(const std::string& ptxas, const std::string& ptx, const Target& target,
                     const TemporaryFolder& folder, const std::string& name);

}  // namespace gumtile::tools
