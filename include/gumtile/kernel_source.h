#pragma once

#include "gumtile/plan.h"

namespace gumtile {

/// Hands an Engine the artifact for a plan: from a compiler, a cache or a file. Implementations are thread
/// safe.
class KernelSource {
 public:
  virtual ~KernelSource() = default;
  /// Throws Error where there is none and none can be made.
  virtual KernelArtifact get(const KernelPlan& plan) = 0;
};

}  // namespace gumtile
