#include "plan/legality.h"

#include <fmt/format.h>

#include "gumtile/error.h"

namespace gumtile {
namespace {

constexpr uint32_t kTensorCoreMask = 0x39;

[[noreturn]] void illegal(const Schedule& schedule, const std::string& reason) {
  throw Error(ErrorCode::usage, fmt::format("schedule '{}' is illegal: {}", schedule.str(), reason));
}

void require(bool condition, const Schedule& schedule, const std::string& reason) {
  if (!condition) illegal(schedule, reason);
}

void check_host(const Schedule& schedule, const HostSchedule& s, const Target& target) {
  require(!target.is_cuda(), schedule, fmt::format("the host family cannot run on {}", target.str()));
  require(s.block_batch == 1 || s.block_batch == 2 || s.block_batch == 4, schedule,
          fmt::format("b{} must be b1, b2 or b4", s.block_batch));
  require(s.block_vocab > 0 && s.block_vocab % 256 == 0 && s.block_vocab <= 4096, schedule,
          fmt::format("v{} must be a multiple of 256, at most 4096", s.block_vocab));
}

void check_simt(const Schedule& schedule, const SimtSchedule& s, const Target& target) {
  require(target.is_cuda(), schedule, "the simt family needs a GPU target");
  require(s.block_batch == 8 || s.block_batch == 16 || s.block_batch == 32, schedule,
          fmt::format("b{} must be b8, b16 or b32", s.block_batch));
  require(s.block_vocab == 256, schedule,
          fmt::format("v{} must be v256: four warps of 64 columns", s.block_vocab));
  require(s.block_k == 16 || s.block_k == 32, schedule, fmt::format("k{} must be k16 or k32", s.block_k));
}

void check_mma_sync(const Program& program, const ProgramAnalysis& analysis, const Problem& problem,
                    const Schedule& schedule, const MmaSyncSchedule& s, const Target& target) {
  require(target.is_cuda(), schedule, "the mma_sync family needs a GPU target");
  const std::string reason = why_no_mma_sync(program, analysis, target);
  require(reason.empty(), schedule, reason);
  require(s.warps_m > 0 && s.warps_n > 0, schedule,
          fmt::format("warps={}x{} must both be at least 1", s.warps_m, s.warps_n));
  const int warps = s.warps_m * s.warps_n;
  require(warps <= 16, schedule,
          fmt::format("warps={}x{} are {} warps; at most 16", s.warps_m, s.warps_n, warps));
  require(s.block_batch > 0 && s.block_batch % (16 * s.warps_m) == 0 && s.block_batch <= 256, schedule,
          fmt::format("b{} must be a multiple of 16 rows a warp ({}), at most 256", s.block_batch,
                      16 * s.warps_m));
  require(s.block_vocab > 0 && s.block_vocab % (64 * s.warps_n) == 0 && s.block_vocab <= 512, schedule,
          fmt::format("v{} must be a multiple of 64 columns a warp ({}), at most 512", s.block_vocab,
                      64 * s.warps_n));
  const int accumulators = s.block_batch / s.warps_m * (s.block_vocab / s.warps_n) / 32;
  require(accumulators <= 128, schedule,
          fmt::format("a warp's {} x {} tile takes {} accumulator registers a thread; at most 128",
                      s.block_batch / s.warps_m, s.block_vocab / s.warps_n, accumulators));
  require(s.stages >= 2 && s.stages <= 16, schedule, fmt::format("stages={} must lie in 2..16", s.stages));
  require(s.copy_bytes == 16 || s.copy_bytes == 8 || s.copy_bytes == 4 || s.copy_bytes == 2, schedule,
          fmt::format("copy={} must be 16, 8, 4 or 2", s.copy_bytes));
  require(problem.weights_alignment % s.copy_bytes == 0, schedule,
          fmt::format("copy={} needs weights aligned to that; they are aligned to {} bytes", s.copy_bytes,
                      problem.weights_alignment));
}

void check_wgmma(const Program& program, const ProgramAnalysis& analysis, const Problem& problem,
                 const Schedule& schedule, const WgmmaSchedule& s, const Target& target) {
  require(target.is_cuda(), schedule, "the wgmma family needs a GPU target");
  const std::string reason = why_no_wgmma(program, analysis, problem, target);
  require(reason.empty(), schedule, reason);
  require(s.warpgroups_m > 0 && s.warpgroups_n > 0, schedule,
          fmt::format("wg={}x{} must both be at least 1", s.warpgroups_m, s.warpgroups_n));
  require(s.turns == 1 || s.turns == 2, schedule, fmt::format("turns={} must be 1 or 2", s.turns));
  const int warpgroups = s.warpgroups_m * s.warpgroups_n * s.turns;
  require(warpgroups >= 1 && warpgroups <= 3, schedule,
          fmt::format("wg={}x{},turns={} are {} consumer warpgroups; 1 to 3", s.warpgroups_m, s.warpgroups_n,
                      s.turns, warpgroups));
  require(s.block_batch == 64 * s.warpgroups_m || s.block_batch == 128 * s.warpgroups_m, schedule,
          fmt::format("b{} must be 64 or 128 rows for each of {} warpgroups along the rows", s.block_batch,
                      s.warpgroups_m));
  require(s.block_batch <= 256, schedule, fmt::format("b{} must be at most b256", s.block_batch));
  require(s.block_vocab >= 64 && s.block_vocab <= 256 && s.block_vocab % (64 * s.warpgroups_n) == 0, schedule,
          fmt::format("v{} must be a multiple of 64 columns a warpgroup ({}), at most 256", s.block_vocab,
                      64 * s.warpgroups_n));
  require(s.block_k == 64 || s.block_k == 128, schedule, fmt::format("k{} must be k64 or k128", s.block_k));
  const int accumulators = s.block_batch / s.warpgroups_m * (s.block_vocab / s.warpgroups_n) / 128;
  // 65536 registers a multiprocessor, less what the producer warp holds.
  const int most = warpgroups <= 2 ? 128 : 64;
  require(
      accumulators <= most, schedule,
      fmt::format("a warpgroup's {} x {} tile takes {} accumulator registers a thread; at most {} with {} "
                  "warpgroups",
                  s.block_batch / s.warpgroups_m, s.block_vocab / s.warpgroups_n, accumulators, most,
                  warpgroups));
  require(s.stages >= 2 && s.stages <= 32, schedule, fmt::format("stages={} must lie in 2..32", s.stages));
  require(s.cluster_m >= 1 && s.cluster_n >= 1 && s.cluster_m * s.cluster_n <= 2, schedule,
          fmt::format("cluster={}x{} must be 1x1, 2x1 or 1x2", s.cluster_m, s.cluster_n));
  require(s.l2_promotion == 64 || s.l2_promotion == 128 || s.l2_promotion == 256, schedule,
          fmt::format("l2={} must be 64, 128 or 256", s.l2_promotion));
  require((s.box_rows == 32 || s.box_rows == 64 || s.box_rows == 128 || s.box_rows == 256) &&
              s.block_vocab % s.box_rows == 0,
          schedule,
          fmt::format("box={} must be 32, 64, 128 or 256 and divide v{}", s.box_rows, s.block_vocab));
}

}  // namespace

std::string why_no_wgmma(const Program& program, const ProgramAnalysis& analysis, const Problem& problem,
                         const Target& target) {
  if (!target.suffix_a || !target.gpu().warpgroup_mma)
    return fmt::format("{} has no wgmma; sm_90a has", target.str());
  if (std::string reason = why_no_mma_sync(program, analysis, target); !reason.empty()) return reason;
  if (problem.weights_alignment < 16)
    return fmt::format("TMA needs weights aligned to 16 bytes; they are aligned to {}",
                       problem.weights_alignment);
  return "";
}

std::string why_no_mma_sync(const Program& program, const ProgramAnalysis& analysis, const Target& target) {
  if (!target.gpu().async_copy)
    return fmt::format("{} has no cp.async; mma_sync needs sm_80 or later", target.str());
  if (analysis.contraction == kNone) return "the Program has no contraction for tensor cores; use simt";
  const ContractionInfo& c = program.contractions[analysis.contraction];
  if (c.operand_dtype == DType::f32) return "f32 operands have no exact tensor core form; use simt";
  if (program.inputs[c.right].dtype != c.operand_dtype)
    return fmt::format("'{}' is {} but the contraction takes {}; only the left input is converted on the way",
                       program.inputs[c.right].name, name(program.inputs[c.right].dtype),
                       name(c.operand_dtype));
  if ((analysis.member_mask & ~kTensorCoreMask) != 0)
    return fmt::format(
        "a split with mask {:#x} puts a group in several threads; masks within {:#x} do not, or use simt",
        analysis.member_mask, kTensorCoreMask);
  return "";
}

void check_problem(const Program& program, const ProgramAnalysis& analysis, const Problem& problem) {
  auto fail = [&](const std::string& message) {
    throw Error(ErrorCode::usage, fmt::format("problem for Program '{}': {}", program.name, message));
  };
  if (problem.columns <= 0 || problem.columns > 0x7fffff00)
    fail(fmt::format("{} columns; at least 1 and below 2^31 - 256", problem.columns));
  if (problem.first_column < 0 || problem.first_column + problem.columns > 0x7fffff00)
    fail(fmt::format("columns {} to {}; they must lie in 0 to 2^31 - 256", problem.first_column,
                     problem.first_column + problem.columns));
  if (analysis.contraction != kNone && (problem.contracted <= 0 || problem.contracted > 0x7fffff00))
    fail(fmt::format("a contracted extent of {}; at least 1 and below 2^31 - 256", problem.contracted));
  const int a = problem.weights_alignment;
  if (a < 2 || (a & (a - 1)) != 0) fail(fmt::format("a weights alignment of {}; a power of two from 2", a));
}

void check_family(const Program& program, const ProgramAnalysis& analysis, const Problem& problem,
                  const Schedule& schedule, const Target& target) {
  if (const auto* host = std::get_if<HostSchedule>(&schedule.family))
    check_host(schedule, *host, target);
  else if (const auto* simt = std::get_if<SimtSchedule>(&schedule.family))
    check_simt(schedule, *simt, target);
  else if (const auto* wgmma = std::get_if<WgmmaSchedule>(&schedule.family))
    check_wgmma(program, analysis, problem, schedule, *wgmma, target);
  else
    check_mma_sync(program, analysis, problem, schedule, std::get<MmaSyncSchedule>(schedule.family), target);
}

}  // namespace gumtile
