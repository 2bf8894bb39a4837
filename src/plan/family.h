#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "gumtile/plan.h"
#include "ir/analysis.h"
#include "plan/schedule_field.h"

namespace gumtile {

/// What a schedule is made for.
struct PlanInput {
  PlanInput(const Program& of, const Problem& size, const Target& machine)
      : program(of),
        problem(size),
        target(machine),
        shared_analysis(std::make_shared<const ProgramAnalysis>(analyze(of))),
        analysis(*shared_analysis) {}

  const Program& program;
  const Problem& problem;
  const Target& target;
  const std::shared_ptr<const ProgramAnalysis> shared_analysis;  ///< what a plan keeps
  const ProgramAnalysis& analysis;
};

/// As the public `make_plan`, for many schedules of one input.
KernelPlan make_plan(const PlanInput& input, const Schedule& schedule);

class ScheduleSpace;

/// What there is to know of a schedule family, a kind of main loop, beside the loop itself (`codegen`).
struct Family {
  std::string_view name;
  Schedule defaults;
  std::span<const ScheduleField> fields;  ///< in the order of the text
  /// Why no schedule of the family can be; empty if some can.
  std::string (*why_not)(const PlanInput&);
  /// Why a schedule of the family that `why_not` and the fields' own values allow cannot be; empty if it can.
  /// The plan sums up shared memory.
  std::string (*check)(const PlanInput&, const Schedule&);
  /// Fills in what depends on the schedule: `plan` has the rest, and `plan.launch` what every family has.
  void (*lay_out)(KernelPlan& plan);
  /// A schedule that is good without tuning, if `why_not` is empty.
  Schedule (*suggest)(const PlanInput&, const Card&);
  /// Adds what is worth trying.
  void (*search)(ScheduleSpace& space);
  /// How long a schedule may take, in the time that reading the weights once takes: a coarse model, by which
  /// a search leaves out what does not look promising.
  double (*cost)(const Schedule&, const Problem&, const Card&);
};

extern const Family kHostFamily, kSimtFamily, kMmaSyncFamily, kWgmmaFamily;

/// All of them, in the order of `Schedule::family`: on a GPU each is faster than those before it.
std::span<const Family* const> families();
/// The other way round.
std::span<const Family* const> fastest_first();
const Family& family_of(const Schedule& schedule);

/// Columns {8j + 2q + e}: the layout of an m16n8 accumulator, kept by the other loops if a split allows it.
inline constexpr uint32_t kTensorCoreMask = 0x39;

/// The next multiple of `to`.
constexpr int aligned(int bytes, int to) { return (bytes + to - 1) / to * to; }

}  // namespace gumtile
