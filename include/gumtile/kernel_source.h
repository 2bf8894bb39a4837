#pragma once

#include <string>

#include "gumtile/plan.h"

namespace gumtile {

/// Hands an Engine the artifact for a plan: from a compiler or a file. Implementations are thread safe.
class KernelSource {
 public:
  virtual ~KernelSource() = default;
  /// Throws Error where there is none and none can be made.
  virtual KernelArtifact get(const KernelPlan& plan) = 0;
  /// What decides, beside the plan's `key_text`, the code that `get` returns for a target: versions of the
  /// compiler, the CPU that "host" stands for. It is part of a ModuleCache's keys. Empty: not to be cached.
  virtual std::string identity(const Target& /*target*/) const { return {}; }
};

}  // namespace gumtile
