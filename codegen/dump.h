#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "gumtile/log.h"
#include "gumtile/plan.h"

namespace gumtile::codegen {

/// Keeps the stages of one compilation in the folder that GUMTILE_DUMP names, which is made where it is not
/// there: a file for each, `<Program>-<schedule>-<target>-<key>.<stage>`, with mode 0600. Files appear whole
/// or not at all, whoever else writes there. Without the variable nothing is done. Never fails: the first
/// stage of a process that cannot be kept is a warning.
class StageDump {
 public:
  /// `log` must outlive this.
  StageDump(const KernelPlan& plan, std::string_view key, const Log& log);

  /// `text` is asked only where stages are kept.
  void keep(std::string_view stage, const std::function<std::string()>& text) const;

 private:
  std::string folder_;  ///< empty: nothing is kept
  std::string name_;
  const Log& log_;
};

}  // namespace gumtile::codegen
