#pragma once

#include <optional>
#include <string>
#include <vector>

#include "gumtile/plan.h"

namespace gumtile {

/// Hands an Engine the artifact for a plan: from a compiler or a file. Implementations are thread safe.
class KernelSource {
 public:
  virtual ~KernelSource() = default;
  /// Throws Error where there is none and none can be made.
  virtual KernelArtifact get(const KernelPlan& plan) = 0;
  /// As `get`, but nothing where the source does not have it: what a source that makes anything never says.
  /// Throws Error for what it has and cannot give, e.g. from a damaged file.
  virtual std::optional<KernelArtifact> find(const KernelPlan& plan) { return get(plan); }
  /// The PTX of a kernel of which `get` gave a cubin, for a driver that refuses the cubin. Nothing: there is
  /// none.
  virtual std::optional<KernelArtifact> find_ptx(const KernelPlan& /*plan*/) { return std::nullopt; }
  /// The schedules that there are for a Program and a problem on a target, the best for batches of
  /// `problem.max_rows` first; none where the source has nothing for them. Nothing: `get` takes any schedule.
  virtual std::optional<std::vector<Schedule>> schedules(const Program& /*program*/,
                                                         const Problem& /*problem*/,
                                                         const Target& /*target*/) const {
    return std::nullopt;
  }
  /// What decides, beside the plan's `key_text`, the code that `get` returns for a target: versions of the
  /// compiler, the CPU that "host" stands for. It is part of a ModuleCache's keys. Empty: not to be cached.
  virtual std::string identity(const Target& /*target*/) const { return {}; }
};

}  // namespace gumtile
