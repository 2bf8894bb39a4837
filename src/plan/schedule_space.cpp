#include <algorithm>

#include "gumtile/error.h"
#include "gumtile/plan.h"
#include "ir/analysis.h"

namespace gumtile {
namespace {

/// Collects the schedules that are legal.
class Space {
 public:
  Space(const Program& program, const Problem& problem, const Target& target)
      : program_(program), analysis_(analyze(program)), problem_(problem), target_(target) {}

  void add(const Schedule& schedule) {
    if (is_legal(schedule)) schedules.push_back(schedule);
  }

  /// With all the stages that fit, and with half of them: more bytes in flight are not always better.
  void add_stages(WgmmaSchedule s) {
    s.stages = 32;
    while (s.stages >= 2 && !is_legal({s})) --s.stages;
    if (s.stages < 2 || (s.turns > 1 && !leaves_registers({s}))) return;
    schedules.push_back({s});
    if (s.stages < 8) return;
    s.stages /= 2;
    schedules.push_back({s});
  }

  std::vector<Schedule> schedules;

 private:
  bool is_legal(const Schedule& schedule) const {
    try {
      make_plan(program_, problem_, schedule, target_);
      return true;
    } catch (const Error&) {
      return false;
    }
  }

  /// Whether consumers that take turns do without spills. Not where single columns have bounds, nor where
  /// larger states come together with tests of single columns.
  bool leaves_registers(const Schedule& schedule) const {
    const KernelPlan plan = make_plan(program_, problem_, schedule, target_);
    if (plan.bounded >= 0) {
      const NodeId id = analysis_.sweep_reductions[static_cast<size_t>(plan.bounded)];
      if (reduction_level(program_, program_.reductions[program_.nodes[id].imm]) != Level::group)
        return false;
    }
    const bool is_whole = problem_.columns % 64 == 0 && problem_.first_column % 64 == 0;
    return is_whole || plan.join == Join::packed;
  }

  const Program& program_;
  const ProgramAnalysis analysis_;
  const Problem& problem_;
  const Target& target_;
};

void add_wgmma(Space& space, const Problem& problem) {
  struct Shape {
    int block_batch, block_vocab, warpgroups_m, warpgroups_n, turns = 1;
  };
  // Left out, as some epilogues spill with so many accumulators in few registers: 256 x 128 as 2x1, 128 x 256
  // as 1x2, 192 x 128 as 3x1. On an H200 256 x 128 took 454 us for 256 rows of 151936 x 4096, 128 x 256 as
  // 2x1 in pairs 446.
  constexpr Shape kShapes[] = {
      {64, 64, 1, 1},   {64, 128, 1, 1}, {64, 192, 1, 1},  {64, 256, 1, 1},
      {64, 128, 1, 2},  {64, 256, 1, 2}, {64, 192, 1, 3},  {128, 64, 1, 1},
      {128, 128, 1, 1}, {128, 64, 2, 1}, {128, 128, 2, 1}, {128, 192, 2, 1},
      {128, 256, 2, 1}, {192, 64, 3, 1}, {256, 64, 2, 1},  {128, 128, 1, 1, 2},
  };
  for (const Shape& shape : kShapes) {
    // The smallest number of rows that covers the batch, or several blocks of many rows.
    if (shape.block_batch == 64 && problem.max_rows > 64) continue;
    if (shape.block_batch >= 192 && problem.max_rows <= 128) continue;
    for (int k : {64, 128})
      for (int cluster_m : {1, 2})
        for (int cluster_n : {1, 2})
          for (int promotion : {128, 256})
            for (int box : {64, 128}) {
              if (cluster_m > 1 && problem.max_rows <= shape.block_batch) continue;
              if (k == 128 && (box == 128 || shape.warpgroups_n > 1)) continue;
              // Narrow tiles are read often, and in pairs along the columns some epilogues spill.
              if (shape.turns > 1 && (k == 128 || cluster_m == 1)) continue;
              space.add_stages({shape.block_batch, shape.block_vocab, k, 2, shape.warpgroups_m,
                                shape.warpgroups_n, cluster_m, cluster_n, promotion, box, shape.turns});
            }
  }
}

}  // namespace

std::vector<Schedule> schedule_space(const Program& program, const Problem& problem, const Target& target) {
  Space space(program, problem, target);
  if (!target.is_cuda()) {
    for (int rows : {1, 2, 4})
      for (int columns : {256, 512}) space.add({HostSchedule{rows, columns}});
    return space.schedules;
  }
  add_wgmma(space, problem);
  for (int rows : {16, 32, 64, 128})
    for (int columns : {64, 128, 256})
      for (int m : {1, 2, 4})
        for (int n : {1, 2, 4})
          for (int stages : {2, 4, 8})
            space.add(
                {MmaSyncSchedule{rows, columns, stages, m, n, std::min(problem.weights_alignment, 16)}});
  for (int rows : {8, 16, 32})
    for (int k : {16, 32}) space.add({SimtSchedule{rows, 256, k}});
  return space.schedules;
}

}  // namespace gumtile
