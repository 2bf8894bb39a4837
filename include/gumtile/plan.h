#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "gumtile/artifact.h"
#include "gumtile/program.h"
#include "gumtile/schedule.h"
#include "gumtile/target.h"

namespace gumtile {

struct MmaAtom;
struct ProgramAnalysis;

/// The extents and alignments that a kernel is compiled for. The number of rows is a run-time argument.
struct Problem {
  int64_t columns = 0;         ///< vocab size, or the size of the caller's range of a larger vocabulary
  int64_t contracted = 0;      ///< hidden size; 0 for a Program without a contraction
  int64_t max_rows = 1;        ///< the largest batch: a hint for the schedule, not a limit
  int weights_alignment = 16;  ///< bytes that divide the weights' address and row stride: 16, 8, 4 or 2
  int64_t first_column = 0;    ///< the global index of the range's first column: what `index` gives for it

  bool operator==(const Problem&) const = default;
};

/// The coordinates that one lane holds: 16 columns of each aligned block of 64, the same in every row. `mask`
/// has 4 of the 6 low bits; a lane's two other bits are its number modulo 4.
struct FragmentLayout {
  uint32_t mask = 0x39;
  int rows = 1;            ///< rows per lane (GPU: in pairs 8 apart)
  int row_pair_step = 16;  ///< GPU: from one pair of rows to the next
  int blocks = 1;          ///< blocks of 64 columns in which a lane holds columns
};

/// A value that many lanes read, kept in 32-bit words.
struct Slot {
  NodeId node = kNone;
  int word = 0;  ///< first word
  int words = 1;
};

/// How the blocks that share a row join their states. `packed`: every state fits a word, and atomic
/// operations join them. `records`: each block writes its states.
enum class Join : uint8_t { records, packed };

/// A Schedule made concrete for a Program, a Problem and a Target: what code generation needs to know. A
/// value type that owns its Program.
struct KernelPlan {
  Program program;
  std::shared_ptr<const ProgramAnalysis> analysis;  ///< of the Program (src/ir/analysis.h)
  Problem problem;
  Schedule schedule;
  Target target;
  std::string name;  ///< a symbol prefix

  FragmentLayout fragment;
  std::vector<Slot> row_table;  ///< row-level values that the sweep reads: computed once per row
  int row_table_words = 0;
  std::vector<Slot> record;  ///< the sweep reductions' states: what one block or thread passes to the finish
  int record_words = 0;
  bool stages_left =
      false;  ///< the contraction's left input may be staged: converted, or gathered, into the workspace

  // GPU.
  const MmaAtom* atom = nullptr;  ///< what multiplies on tensor cores (src/plan/mma_atoms.h); null: nothing
  Join join = Join::records;
  int bounded = -1;      ///< the sweep reduction whose progress the blocks of a row share; -1: none
  int warps_n = 1;       ///< warps (or warpgroups) side by side along the columns
  int turns = 1;         ///< groups of consumers that take whole tiles in turn (1: all work on one tile)
  int consumers = 0;     ///< threads that hold fragments; the others copy, or compute the row table
  int tile_columns = 0;  ///< columns per tile
  int threads = 0;       ///< of a block
  // Shared memory, in bytes from its start.
  int shared_stage = 0;  ///< one pipeline stage
  int shared_pitch = 0;  ///< from one row of a stage to the next, if the loop pads rows (simt); else 0
  int shared_barriers = 0;
  int shared_row_table = 0;
  int shared_exchange = 0;  ///< states that warps exchange
  int shared_bytes = 0;     ///< all of it

  LaunchSpec launch;

  /// Whether no tile has columns outside of the problem's range: tiles are aligned to
  /// `launch.columns_per_unit`.
  bool tiles_are_whole() const {
    const int64_t unit = launch.columns_per_unit;
    return problem.first_column % unit == 0 && (problem.first_column + problem.columns) % unit == 0;
  }

  /// A readable summary.
  std::string str() const;
};

/// Makes a plan; checks that the schedule is legal for this program on this target. Throws Error(usage)
/// naming the limit that it breaks and by how much.
KernelPlan make_plan(const Program& program, const Problem& problem, const Schedule& schedule,
                     const Target& target);

/// The canonical text of everything that decides the generated code beside the compiler itself: Program,
/// problem, schedule and target. Equal texts give equal code.
std::string key_text(const KernelPlan& plan);

/// What the built-in choice of a schedule depends on beside the architecture: cards of one architecture
/// differ.
struct Card {
  int multiprocessors = 132;
  double memory_bytes_per_second = 0;  ///< peak; 0: unknown
};

/// The built-in choice: a schedule that is legal, and good without tuning.
Schedule default_schedule(const Program& program, const Problem& problem, const Target& target,
                          const Card& card = {});

/// The legal schedules of all families that are worth trying: what a tuner searches. Those of one family give
/// the same tokens.
std::vector<Schedule> schedule_space(const Program& program, const Problem& problem, const Target& target);

}  // namespace gumtile
