#pragma once

#include <optional>
#include <string>
#include <vector>

#include "gumtile/plan.h"

namespace gumtile {

/// Gives an Engine the artifact for a plan, from a compiler or a file. Implementations are thread safe.
class KernelSource {
 public:
  virtual ~KernelSource() = default;
  /// Throws Error if there is none and none can be made.
  virtual KernelArtifact get(const KernelPlan& plan) = 0;
  /// As `get`, but returns nothing if the source does not have it; a source that can compile any plan always
  /// returns one. Throws Error if the source has it and cannot give it, e.g. from a damaged file.
  virtual std::optional<KernelArtifact> find(const KernelPlan& plan) { return get(plan); }
  /// The PTX of a kernel for which `get` gave a cubin, for a driver that refuses the cubin. Nothing: there is
  /// none.
  virtual std::optional<KernelArtifact> find_ptx(const KernelPlan& /*plan*/) { return std::nullopt; }
  /// The schedules that the source has for a Program and a problem on a target, the best for batches of
  /// `problem.max_rows` first; an empty list if it has none. Nothing: `get` takes any schedule.
  virtual std::optional<std::vector<Schedule>> schedules(const Program& /*program*/,
                                                         const Problem& /*problem*/,
                                                         const Target& /*target*/) const {
    return std::nullopt;
  }
  /// Everything that decides, beside the plan's `key_text`, the code that `get` returns for a target:
  /// versions of the compiler, the CPU that "host" stands for. It is part of a ModuleCache's keys. Empty: not
  /// to be cached.
  virtual std::string identity(const Target& /*target*/) const { return {}; }
};

}  // namespace gumtile
