#include "gumtile/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <set>

#include "gumtile/error.h"
#include "gumtile/workload.h"
#include "ir/analysis.h"
#include "ir/reduction_kind.h"
#include "plan/family.h"
#include "plan/legality.h"

namespace gumtile {
namespace {

int words_of(DType dtype) { return size_bytes(dtype) == 8 ? 2 : 1; }

/// The four bits of a fragment's mask must contain those of the split's, so that one lane holds whole groups.
uint32_t fragment_mask(uint32_t split_mask) {
  if ((split_mask & ~kTensorCoreMask) == 0) return kTensorCoreMask;
  uint32_t mask = split_mask;
  for (uint32_t bit = 1; std::popcount(mask) < 4; bit <<= 1) mask |= bit;
  return mask;
}

/// The row-level values that elements and groups read, in node order. On a GPU also those that finalizers
/// read, since the block that finishes a row has the row's table.
std::vector<Slot> make_row_table(const Program& program, const ProgramAnalysis& analysis, bool finalizers,
                                 int& words) {
  std::set<NodeId> read;
  auto add = [&](NodeId id) {
    if (id != kNone && analysis.nodes[id].level == Level::row && program.nodes[id].op != Op::constant)
      read.insert(id);
  };
  bool guards = false;
  for (NodeId id = 0; id < program.nodes.size(); ++id) {
    const Level level = analysis.nodes[id].level;
    const bool sweeps =
        level == Level::group || level == Level::element || program.nodes[id].op == Op::reduce;
    if (!sweeps) continue;
    for (NodeId operand : program.nodes[id].operands) add(operand);
    if (program.nodes[id].op != Op::reduce) continue;
    const NodeId bound = program.reductions[program.nodes[id].imm].bound;
    add(bound);
    guards |= bound != kNone;
  }
  // Rows that do not count store no tiles, and skip all groups that have bounds.
  for (const OutputInfo& output : program.outputs) guards |= output.kind == OutputInfo::Kind::tile;
  if (finalizers) {
    for (NodeId id = 0; id < program.nodes.size(); ++id)
      if (analysis.nodes[id].level == Level::final)
        for (NodeId operand : program.nodes[id].operands) add(operand);
    for (const OutputInfo& output : program.outputs)
      if (output.kind != OutputInfo::Kind::tile) add(output.node);
    guards = true;
  }
  if (guards) add(program.row_guard);
  std::vector<Slot> table;
  words = 0;
  for (NodeId id : read) {
    const int count = words_of(program.nodes[id].dtype);
    table.push_back({id, words, count});
    words += count;
  }
  return table;
}

std::vector<Slot> make_record(const Program& program, const ProgramAnalysis& analysis, int& words) {
  std::vector<Slot> record;
  words = 0;
  for (NodeId id : analysis.sweep_reductions) {
    int count = 0;
    for (DType dtype : program.reductions[program.nodes[id].imm].state) count += words_of(dtype);
    record.push_back({id, words, count});
    words += count;
  }
  return record;
}

/// Whether atomic operations can join the states of all sweep reductions.
bool is_packed(const Program& program, const ProgramAnalysis& analysis) {
  for (NodeId id : analysis.sweep_reductions)
    if (packing_of(program.reductions[program.nodes[id].imm]) == Packing::none) return false;
  return true;
}

/// The parts of a launch that do not depend on the schedule.
LaunchSpec make_launch(const KernelPlan& plan) {
  const ProgramAnalysis& analysis = *plan.analysis;
  LaunchSpec launch;
  const Program& program = plan.program;
  launch.sweep = plan.name + "_sweep";
  launch.columns = plan.problem.columns;
  launch.contracted = plan.problem.contracted;
  launch.first_column = plan.problem.first_column;
  launch.record_words = plan.record_words;
  bool any_output = false;
  for (const OutputInfo& output : program.outputs) any_output |= output.kind != OutputInfo::Kind::tile;
  if (any_output && !plan.target.is_cuda()) launch.finish = plan.name + "_finish";
  // With records, one word per row holds the best key of the reduction with a bound.
  launch.packed_words = plan.join == Join::packed ? static_cast<int>(analysis.sweep_reductions.size())
                        : plan.target.is_cuda() && plan.bounded >= 0 ? 1
                                                                     : 0;
  if (analysis.contraction != kNone) {
    const ContractionInfo& c = program.contractions[analysis.contraction];
    launch.contraction_left = static_cast<int>(c.left);
    launch.contraction_right = static_cast<int>(c.right);
    if (c.left_index != kNone) launch.left_index = static_cast<int>(c.left_index);
  }
  for (const InputInfo& input : program.inputs)
    launch.inputs.push_back({input.name, input.dtype, static_cast<int>(input.axes.size()), input.optional});
  for (const OutputInfo& output : program.outputs) {
    const int axes = output.kind == OutputInfo::Kind::tile ? 2 : output.kind == OutputInfo::Kind::any ? 0 : 1;
    launch.outputs.push_back({output.name, output.dtype, axes, output.optional});
  }
  return launch;
}

/// Places the row table and the exchange of states after the main loop's part of shared memory.
void lay_out_shared_memory(KernelPlan& plan) {
  const int rows = plan.launch.rows_per_block;
  plan.shared_exchange = aligned(plan.shared_row_table + rows * plan.row_table_words * 4, 128);
  plan.shared_bytes = plan.shared_exchange + 128;  // whether the block is the last, and its `any` outputs
  if (plan.join == Join::records)
    plan.shared_bytes = std::max(
        plan.shared_bytes, plan.shared_exchange + plan.turns * plan.warps_n * rows * plan.record_words * 4);
  const int limit = plan.target.gpu().shared_bytes;
  if (plan.shared_bytes > limit)
    throw Error(
        ErrorCode::usage,
        fmt::format("schedule '{}' needs {} bytes of shared memory a block, {} has {}; use fewer stages "
                    "or smaller tiles",
                    plan.schedule.str(), plan.shared_bytes, plan.target.str(), limit));
}

}  // namespace

KernelPlan make_plan(const Program& program, const Problem& problem, const Schedule& schedule,
                     const Target& target) {
  return make_plan({program, problem, target}, schedule);
}

KernelPlan make_plan(const PlanInput& input, const Schedule& schedule) {
  const auto& [program, problem, target, shared_analysis, analysis] = input;
  check_problem(program, analysis, problem);
  KernelPlan plan;
  plan.program = program;
  plan.analysis = shared_analysis;
  recognise_reductions(plan.program);  // one that was made by hand may not say them
  plan.problem = problem;
  plan.schedule = schedule;
  plan.target = target;
  plan.name = "gumtile";
  plan.fragment.mask = fragment_mask(analysis.member_mask);
  plan.row_table = make_row_table(program, analysis, target.is_cuda(), plan.row_table_words);
  plan.record = make_record(program, analysis, plan.record_words);
  check_schedule(input, schedule);

  if (target.is_cuda()) {
    if (is_packed(plan.program, analysis)) plan.join = Join::packed;
    for (size_t r = 0; r < analysis.sweep_reductions.size(); ++r) {
      const ReductionInfo& reduction = program.reductions[program.nodes[analysis.sweep_reductions[r]].imm];
      if (plan.bounded < 0 && reduction.bound != kNone && reduction.state[0] == DType::f32)
        plan.bounded = static_cast<int>(r);
    }
  }
  plan.launch = make_launch(plan);
  family_of(schedule).lay_out(plan);
  if (target.is_cuda()) lay_out_shared_memory(plan);
  plan.launch.threads = plan.threads;
  plan.launch.shared_bytes = plan.shared_bytes;
  return plan;
}

std::string key_text(const KernelPlan& plan) {
  const Problem& p = plan.problem;  // not max_rows: the number of rows is a run-time argument
  return fmt::format("{}\nschedule {}\ntarget {}\ncolumns {} from {}, contracted {}, weights aligned to {}\n",
                     print(plan.program), plan.schedule.str(), plan.target.str(), p.columns, p.first_column,
                     p.contracted, p.weights_alignment);
}

std::string KernelPlan::str() const {
  std::string out = fmt::format("plan {} for {} on {}\n", schedule.str(), program.name, target.str());
  out += fmt::format("problem: {} columns, {} contracted, weights aligned to {} bytes\n", problem.columns,
                     problem.contracted, problem.weights_alignment);
  out += fmt::format("workload: {}\n", workload_of(program).str());
  out += fmt::format("tiles: {} columns and {} rows; {} units of {} columns to share out\n", tile_columns,
                     launch.rows_per_block, launch.units(), launch.columns_per_unit);
  out += fmt::format("fragment: column mask {:#x}, {} rows and {} blocks of 64 columns a lane\n",
                     fragment.mask, fragment.rows, fragment.blocks);
  out += fmt::format("row table: {} words a row\n", row_table_words);
  for (const Slot& slot : row_table)
    out += fmt::format("  word {}: %{} {}\n", slot.word, slot.node,
                       gumtile::name(program.nodes[slot.node].dtype));
  out += fmt::format("record: {} words a row and worker\n", record_words);
  for (const Slot& slot : record)
    out += fmt::format("  word {}: %{} {}\n", slot.word, slot.node,
                       program.reductions[program.nodes[slot.node].imm].name);
  if (target.is_cuda())
    out += fmt::format(
        "block: {} threads{}, {} bytes of shared memory (stage {}, row table at {}, exchange at {})\n",
        threads,
        consumers == threads
            ? ""
            : fmt::format(" ({} multiply{})", consumers, turns > 1 ? ", half of them at a time" : ""),
        shared_bytes, shared_stage, shared_row_table, shared_exchange);
  return out;
}

}  // namespace gumtile
