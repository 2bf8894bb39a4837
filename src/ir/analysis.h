#pragma once

#include <vector>

#include "gumtile/program.h"

namespace gumtile {

/// Where a node's value lives. A node below `element` is computed once per row, or once per group of a row.
enum class Level : uint8_t {
  row,      ///< one value per row (or per launch), known before the sweep
  group,    ///< one value per (row, group)
  element,  ///< one value per (row, column)
  final,    ///< one value per row, from reductions over the whole column axis
};

struct NodeInfo {
  Level level = Level::row;
  bool per_row = false;  ///< depends on the row, not only on the column
};

/// Facts about a verified Program that interpreter and planner share.
struct ProgramAnalysis {
  std::vector<NodeInfo> nodes;
  AxisId group_axis = kNone;  ///< the split of the column axis, if there is one
  AxisId member_axis = kNone;
  uint32_t member_mask = 0;
  uint32_t contraction = kNone;  ///< the only contraction's index
  NodeId contraction_node = kNone;
  /// The node through which all that reads the contraction does so, after some elementwise ones. The
  /// contraction itself if there is none.
  NodeId contraction_result = kNone;
  std::vector<NodeId> member_reductions;  ///< reduce nodes over the member axis
  std::vector<NodeId> sweep_reductions;   ///< reduce nodes over the column or group axis, in order
  std::vector<NodeId> row_values;  ///< row-level nodes that elements, groups or finalizers read: once per row
};

ProgramAnalysis analyze(const Program& program);

/// The level of a reduce node's lifted values.
Level reduction_level(const Program& program, const ReductionInfo& reduction);

/// Tokens in one period of the split (the smallest power of two above the mask), 1 without a split.
uint32_t split_block(uint32_t member_mask);

/// The members of `mask` of one group, ascending: offsets to add to the group's first index.
std::vector<uint32_t> member_offsets(uint32_t mask);

}  // namespace gumtile
