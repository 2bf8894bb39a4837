#include "runtime/engine/set_up_log.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "ir/analysis.h"
#include "plan/legality.h"

namespace gumtile::engine {
namespace {

/// A kernel serves all batch buckets with its schedule, so that a number of rows would say too little. The
/// outputs tell the Programs of a head apart.
std::string what(const KernelPlan& plan) {
  std::vector<std::string_view> outputs;
  for (const LaunchSpec::Argument& output : plan.launch.outputs) outputs.push_back(output.name);
  return fmt::format("'{}' ({}) for {}, {} x {}, schedule '{}'", plan.program.name, fmt::join(outputs, ", "),
                     plan.target.str(), plan.problem.columns, plan.problem.contracted, plan.schedule.str());
}

std::string rows_text(int64_t first, int64_t last) {
  return first == last ? fmt::format("{} row{}", last, last == 1 ? "" : "s")
                       : fmt::format("{} to {} rows", first, last);
}

/// Why the chosen family is not the fastest that GPUs have; empty if it is.
std::string why_slower_family(const Schedule& chosen, const Program& program, const Problem& problem,
                              const Target& target) {
  if (!target.is_cuda() || std::holds_alternative<WgmmaSchedule>(chosen.family)) return {};
  return std::holds_alternative<SimtSchedule>(chosen.family)
             ? why_no_mma_sync(program, analyze(program), target)
             : why_no_wgmma(program, analyze(program), problem, target);
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

void log_choices(const Log& log, const std::vector<KernelChoice>& choices, const Program& program,
                 const Problem& problem, const DeviceDescription& device) {
  if (!log) return;
  int64_t first_row = 1;
  for (size_t i = 0; i < choices.size(); ++i) {
    const KernelChoice& choice = choices[i];
    const KernelChoice* next = i + 1 < choices.size() ? &choices[i + 1] : nullptr;
    if (next != nullptr && next->schedule == choice.schedule && next->rule == choice.rule &&
        next->note == choice.note)
      continue;
    std::string text =
        fmt::format("head {} x {}, {}, {}: schedule '{}' by {}{}{}", problem.columns, problem.contracted,
                    rows_text(first_row, choice.max_rows),
                    (choice.features & feature_logprob) != 0 ? "with log-probabilities" : "tokens only",
                    choice.schedule, choice.rule, choice.note.empty() ? "" : "; ", choice.note);
    const std::string slower =
        why_slower_family(Schedule::parse(choice.schedule), program, problem, device.target);
    if (!slower.empty()) text += "; " + slower;
    log(LogLevel::info, text);
    first_row = choice.max_rows + 1;
  }
}

}  // namespace gumtile::engine
