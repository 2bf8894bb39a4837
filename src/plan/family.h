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

/// What a schedule is chosen for.
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

/// Like the public `make_plan`, for many schedules of one input.
KernelPlan make_plan(const PlanInput& input, const Schedule& schedule);

class ScheduleSpace;

/// Everything about a schedule family (a kind of main loop) except the loop itself, which is in `codegen`.
struct Family {
  std::string_view name;
  Schedule defaults;
  std::span<const ScheduleField> fields;  ///< in the order of the text
  /// Why no schedule of the family is legal; empty if some may be.
  std::string (*why_not)(const PlanInput&);
  /// Why a schedule that `why_not` and the ranges of the fields allow is illegal nevertheless; empty if it is
  /// legal. Shared memory is checked when the plan is laid out.
  std::string (*check)(const PlanInput&, const Schedule&);
  /// Fills in what depends on the schedule. The rest of `plan` is set, and of `plan.launch` what is common to
  /// all families.
  void (*lay_out)(KernelPlan& plan);
  /// A good schedule without tuning. Called only if `why_not` returns an empty text.
  Schedule (*suggest)(const PlanInput&, const Card&);
  /// Adds the schedules that are worth trying.
  void (*search)(ScheduleSpace& space);
  /// An estimate of a schedule's time, in units of the time to read the weights once. A search uses this
  /// coarse model to leave out unpromising schedules.
  double (*cost)(const Schedule&, const Problem&, const Card&);
};

extern const Family kHostFamily, kSimtFamily, kMmaSyncFamily, kWgmmaFamily;

/// All families, in the order of `Schedule::family`. On a GPU each is faster than those before it.
std::span<const Family* const> families();
/// The same in reverse order.
std::span<const Family* const> fastest_first();
const Family& family_of(const Schedule& schedule);

/// The mask of columns {8j + 2q + e}: the layout of m16n8 accumulators, which the other loops also use if a
/// split allows it.
inline constexpr uint32_t kTensorCoreMask = 0x39;

/// `bytes`, rounded up to a multiple of `to`.
constexpr int aligned(int bytes, int to) { return (bytes + to - 1) / to * to; }

}  // namespace gumtile
