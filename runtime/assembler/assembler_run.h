#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include "gumtile/artifact.h"
#include "gumtile/error.h"
#include "gumtile/log.h"
#include "gumtile/target.h"

namespace gumtile::assembler {

/// The assembler is not run again, since it took too long before.
class GivenUp : public Error {
  using Error::Error;
};

/// One assembler, until it takes too long for the first time. It is then given up: its running processes are
/// ended, too, and no kernel waits for it again.
class AssemblerRun {
 public:
  explicit AssemblerRun(std::string ptxas, std::chrono::milliseconds deadline = std::chrono::minutes(1))
      : ptxas_(std::move(ptxas)), deadline_(deadline) {}

  /// As `gumtile::assemble`; throws `TookTooLong` the first time that it takes too long, and `GivenUp` from
  /// then on. Thread safe.
  std::string assemble(const std::string& ptx, const Target& target, const std::function<bool()>& stop = {});

  /// Whether it has taken too long. Thread safe.
  bool is_given_up() const { return given_up_; }

 private:
  [[noreturn]] void throw_given_up() const;

  std::string ptxas_;
  std::chrono::milliseconds deadline_;
  std::atomic<bool> given_up_{false};
};

/// As `gumtile::add_cubin`, with this run.
void add_cubin(KernelArtifact& artifact, AssemblerRun& run, const Log& log);

/// This process's run for an assembler's path.
std::shared_ptr<AssemblerRun> run_of(const std::string& ptxas);

}  // namespace gumtile::assembler
