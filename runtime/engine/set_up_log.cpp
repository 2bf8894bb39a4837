#include "runtime/engine/set_up_log.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string>
#include <string_view>
#include <vector>

namespace gumtile::engine {
namespace {

/// A kernel serves all batch buckets that have its schedule, so a number of rows would say too little. The
/// outputs distinguish the Programs of a head.
std::string what(const KernelPlan& plan) {
  std::vector<std::string_view> outputs;
  for (const LaunchSpec::Argument& output : plan.launch.outputs) outputs.push_back(output.name);
  return fmt::format("'{}' ({}) for {}, {} x {}, schedule '{}'", plan.program.name, fmt::join(outputs, ", "),
                     plan.target.str(), plan.problem.columns, plan.problem.contracted, plan.schedule.str());
}

}  // namespace

void log_device(const Log& log, const DeviceDescription& device) {
  if (!log) return;
  log(LogLevel::info,
      fmt::format("opened {} ({}), target {}, {} {}", device.id, device.name, device.target.str(),
                  device.workers, device.target.is_cuda() ? "multiprocessors" : "threads"));
}

void log_compiled(const Log& log, const KernelPlan& plan, const KernelArtifact& artifact, double ms) {
  if (!log) return;
  const bool is_ptx = artifact.format == KernelArtifact::Format::ptx;
  log(LogLevel::info, fmt::format("compiled {} in {:.0f} ms{}", what(plan), ms,
                                  !is_ptx                  ? ""
                                  : artifact.cubin.empty() ? "; to PTX, which the driver assembles"
                                                           : "; to a cubin"));
}

void log_taken(const Log& log, const KernelPlan& plan, std::string_view place) {
  if (log) log(LogLevel::debug, fmt::format("took {} from {}", what(plan), place));
}

}  // namespace gumtile::engine
