#pragma once

#include <vector>

#include "gumtile/program.h"

namespace gumtile {

/// How many values a node has. The levels before `element` have one per row, or one per group of a row.
enum class Level : uint8_t {
  row,      ///< one value per row (or per launch), known before the sweep
  group,    ///< one value per (row, group)
  element,  ///< one value per (row, column)
  final,    ///< one value per row, from reductions over the column or group axis
};

struct NodeInfo {
  Level level = Level::row;
  bool per_row = false;  ///< depends on the row, not only on the column
};

/// Facts about a verified Program that the interpreter, the planner and code generation share.
struct ProgramAnalysis {
  std::vector<NodeInfo> nodes;
  AxisId group_axis = kNone;  ///< the group axis of the column axis's split, if there is one
  AxisId member_axis = kNone;
  uint32_t member_mask = 0;
  uint32_t contraction = kNone;  ///< the only contraction's index
  NodeId contraction_node = kNone;
  /// The node through which everything else reads the contraction, after some elementwise nodes. The
  /// contraction itself if there is no such node.
  NodeId contraction_result = kNone;
  std::vector<NodeId> member_reductions;  ///< reduce nodes over the member axis
  std::vector<NodeId> sweep_reductions;   ///< reduce nodes over the column or group axis, in order
  std::vector<NodeId> row_values;         ///< row-level nodes that elements, groups or finalizers read
};

ProgramAnalysis analyze(const Program& program);

/// The level of a reduce node's lifted values.
Level reduction_level(const Program& program, const ReductionInfo& reduction);

/// Columns per period of the split (the smallest power of two above the mask); 1 without a split.
uint32_t split_block(uint32_t member_mask);

/// The members of one group of a split with `mask`, ascending, as offsets from the group's first index.
std::vector<uint32_t> member_offsets(uint32_t mask);

}  // namespace gumtile
