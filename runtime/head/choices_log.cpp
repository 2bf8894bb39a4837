#include "runtime/head/choices_log.h"

#include <fmt/format.h>

#include <string>

#include "head/fields.h"
#include "plan/family.h"

namespace gumtile::head {
namespace {

std::string rows_text(int64_t first, int64_t last) {
  return first == last ? fmt::format("{} row{}", last, last == 1 ? "" : "s")
                       : fmt::format("{} to {} rows", first, last);
}

/// Why the chosen family is not the fastest GPU family; empty if it is.
std::string why_slower_family(const Schedule& chosen, const Program& program, const Problem& problem,
                              const Target& target) {
  const size_t faster = chosen.family.index() + 1;
  if (!target.is_cuda() || faster == families().size()) return {};
  return families()[faster]->why_not({program, problem, target});
}

}  // namespace

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
                    rows_text(first_row, choice.max_rows), "features " + feature_set_name(choice.features),
                    choice.schedule, choice.rule, choice.note.empty() ? "" : "; ", choice.note);
    const std::string slower =
        why_slower_family(Schedule::parse(choice.schedule), program, problem, device.target);
    if (!slower.empty()) text += "; " + slower;
    log(LogLevel::info, text);
    first_row = choice.max_rows + 1;
  }
}

}  // namespace gumtile::head
