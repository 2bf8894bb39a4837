#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "gumtile/log.h"
#include "gumtile/plan.h"

namespace gumtile::codegen {

/// Keeps the stages of one compilation in the folder that GUMTILE_DUMP names, which is created if it does not
/// exist: one file per stage, `<Program>-<schedule>-<target>-<key>.<stage>`, with mode 0600. Files appear
/// whole or not at all, even if other processes write there. Without the variable nothing is done. Never
/// fails: the first stage in a process that cannot be written causes a warning.
class StageDump {
 public:
  /// `log` must outlive this.
  StageDump(const KernelPlan& plan, std::string_view key, const Log& log);

  /// `text` is called only if stages are kept.
  void keep(std::string_view stage, const std::function<std::string()>& text) const;

 private:
  std::string folder_;  ///< empty: nothing is kept
  std::string name_;
  const Log& log_;
};

}  // namespace gumtile::codegen
