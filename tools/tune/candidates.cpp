#include "tools/tune/candidates.h"

#include <algorithm>
#include <map>
#include <utility>

#include "gumtile/error.h"

namespace gumtile::tools {
namespace {

double ceil_div(int64_t a, int64_t b) { return static_cast<double>((a + b - 1) / b); }

/// How long a schedule may take, in the time that reading the weights once takes. What the factors stand for:
/// - a batch in several blocks of rows reads the weights again, from L2, unless blocks share them;
/// - every tile of columns reads the hidden states, from L2;
/// - padded rows are multiplied like others;
/// - the last tiles leave multiprocessors idle.
class CostModel {
 public:
  CostModel(const Problem& problem, const DeviceDescription& device) : problem_(problem), device_(device) {}

  double operator()(const HostSchedule& /*s*/) const { return 1; }

  double operator()(const SimtSchedule& s) const { return blocks(s.block_batch); }

  double operator()(const MmaSyncSchedule& s) const {
    const int warps = s.warps_m * s.warps_n;
    const double few_warps = warps < 4 ? 0.2 : 0;
    const double in_flight = s.stages * static_cast<double>((s.block_batch + s.block_vocab) * 128);
    const double shallow = in_flight < 48 * 1024 ? 0.2 : 0;
    const double l2 = blocks(s.block_batch) * (1 + static_cast<double>(s.block_batch) / s.block_vocab);
    return slowest(l2, 0.7 * s.block_batch * blocks(s.block_batch)) * idle(s.block_batch, s.block_vocab) +
           few_warps + shallow;
  }

  double operator()(const WgmmaSchedule& s) const {
    // Rows that a batch does not have are not read.
    const auto rows = static_cast<double>(std::min<int64_t>(s.block_batch, problem_.max_rows));
    // Two tiles under way are taken for one of both: what hides their folds outweighs what they read more.
    const double columns = s.block_vocab * s.cluster_n * s.turns;
    const double l2 = blocks(s.block_batch) * (1.0 / s.cluster_m + rows / columns);
    // Small differences, in the order in which they are worth trying: a shape that loses by more is not
    // tried in all of its variants.
    const WgmmaSchedule usual;
    double variant = 0;
    if (s.box_rows != usual.box_rows) variant += 0.02;
    if (s.block_k != usual.block_k) variant += 0.02;
    if (in_flight(s) < kManyBytes) variant += 0.05;
    if (s.block_batch > 64 && problem_.max_rows <= 64) variant += 0.2;
    // Sharing little is not worth a pair's waits.
    if (s.cluster_n > 1 && problem_.max_rows <= 16) variant += 0.1;
    if (s.cluster_m > 1 && s.cluster_n > 1) variant += 0.05;
    return slowest(l2, s.block_batch * blocks(s.block_batch)) * idle(s.block_batch, s.block_vocab) + variant;
  }

 private:
  static constexpr double kManyBytes = 120 * 1024;
  static constexpr double kL2OverMemory = 1.5;  // rates of reading, on an H100 and an H200
  static constexpr double kBalancedRows = 180;  // where products take as long as reading, on the same

  static double in_flight(const WgmmaSchedule& s) {
    return 2.0 * s.stages * (s.block_batch + s.block_vocab) * s.block_k;
  }
  double blocks(int block_batch) const { return ceil_div(problem_.max_rows, block_batch); }
  static double slowest(double l2_reads, double padded_rows) {
    return std::max({1.0, l2_reads / kL2OverMemory, padded_rows / kBalancedRows});
  }
  /// Blocks of rows share the multiprocessors.
  double idle(int block_batch, int block_vocab) const {
    const double tiles = ceil_div(problem_.columns, block_vocab);
    const auto rows = static_cast<int64_t>(blocks(block_batch));
    const int64_t all = std::max(1, device_.workers);
    const int64_t workers = std::max<int64_t>(1, all / rows);  // for each block of rows
    const double rounds = ceil_div(static_cast<int64_t>(tiles), workers) * ceil_div(rows * workers, all);
    return rounds * static_cast<double>(all) / (tiles * static_cast<double>(rows));
  }

  const Problem& problem_;
  const DeviceDescription& device_;
};

}  // namespace

Schedule heuristic_of(const Program& program, const Problem& problem, const DeviceDescription& device) {
  return default_schedule(program, problem, device.target, {device.workers, device.memory_bytes_per_second});
}

std::vector<Schedule> tuning_candidates(const Program& program, const Problem& problem,
                                        const DeviceDescription& device, int count, bool all_families) {
  const Schedule heuristic = heuristic_of(program, problem, device);
  const CostModel cost(problem, device);
  std::map<size_t, std::vector<std::pair<double, Schedule>>> families;
  for (const Schedule& schedule : schedule_space(program, problem, device.target)) {
    const size_t family = schedule.family.index();
    if ((family == heuristic.family.index() || all_families) && schedule != heuristic)
      families[family].emplace_back(std::visit(cost, schedule.family), schedule);
  }
  std::vector<Schedule> candidates{heuristic};
  const auto add_family = [&](size_t family, int most) {
    auto& schedules = families[family];
    std::stable_sort(schedules.begin(), schedules.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    if (schedules.size() > static_cast<size_t>(most)) schedules.resize(static_cast<size_t>(most));
    for (const auto& [time, schedule] : schedules) candidates.push_back(schedule);
    schedules.clear();
  };
  add_family(heuristic.family.index(), count - 1);
  for (auto& [family, schedules] : families)
    if (!schedules.empty()) add_family(family, count);
  return candidates;
}

}  // namespace gumtile::tools
