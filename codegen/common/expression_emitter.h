#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "codegen/common/fragment_source.h"
#include "codegen/common/op_emitter.h"
#include "gumtile/plan.h"
#include "ir/analysis.h"

namespace gumtile::codegen {

/// Emits the Program's nodes where they are needed, each at most once per place it depends on.
class ExpressionEmitter {
 public:
  /// `use_row_table`: row-level values are read from the table that the plan lays out; otherwise they are
  /// computed.
  ExpressionEmitter(const KernelPlan& plan, OpEmitter& ops, FragmentSource& source, bool use_row_table);

  /// Columns at or past the problem's end are dropped from reductions while `masked`.
  void set_masked(bool masked) { masked_ = masked; }
  bool masked() const { return masked_; }

  llvm::Value* value(NodeId node, const Place& place, size_t which = 0);

  /// The node whose values the source's accumulators hold: the contraction, or the node that replaced it.
  NodeId accumulated() const { return accumulated_; }
  void set_accumulated(NodeId node) { accumulated_ = node; }

  /// Records, in the current scope, that the node's value at a place is `value`, which was computed before.
  void remember(NodeId node, const Place& place, llvm::Value* value) {
    scopes_.back().nodes.emplace(key(node, place, 0), Known{{}, value});
  }

  /// Whether the column at `place`, or some column of its group, exists (i1 or a vector of them). Constant
  /// true if nothing is masked.
  llvm::Value* column_valid(const Place& place);
  llvm::Value* group_valid(const Place& place);
  /// Whether a block's columns exist together or not at all.
  bool blocks_whole() const;

  /// Members of the fragment that start a group, and the members of such a group.
  const std::vector<int>& group_leaders() const { return leaders_; }
  std::vector<int> group_members(int leader) const;
  const std::vector<uint32_t>& fragment_offsets() const { return offsets_; }

  /// Makes `chosen_member()` stand for a member of a block that is chosen at run time. It has this offset
  /// (u32) within the block, and these values of nodes.
  void choose_member(llvm::Value* offset, std::map<NodeId, llvm::Value*> values) {
    chosen_ = {offset, std::move(values)};
  }
  int chosen_member() const { return static_cast<int>(offsets_.size()); }
  /// Whether a node can be computed for a chosen member: it must not depend on values of groups.
  bool can_choose_member(NodeId node) const;
  llvm::Value* column(const Place& place);
  /// A block's column as `base | offset`.
  SplitInteger split_column(const Place& place);
  /// Whether the columns of several members (ascending) all exist (i1).
  llvm::Value* all_valid(const Place& place, const std::vector<int>& members);

  /// A scope of values: those computed inside a conditional block must not be used after it.
  void push_scope() { scopes_.emplace_back(); }
  /// The same, but values computed outside are not used inside either.
  void push_fresh_scope() { scopes_.push_back({{}, {}, true}); }
  void pop_scope() { scopes_.pop_back(); }
  /// Forgets all values, for a new tile or function.
  void reset();

 private:
  struct Known {
    SplitInteger split;
    llvm::Value* value = nullptr;
  };
  using NodeKey = std::tuple<NodeId, size_t, int, int, int>;
  using NumberKey = std::tuple<int, DType, std::vector<llvm::Value*>>;
  struct Scope {
    std::map<NodeKey, Known> nodes;
    std::map<NumberKey, std::vector<llvm::Value*>> numbers;
    bool fresh = false;
  };

  const std::vector<llvm::Value*>* find_number(const NumberKey& k) const;
  Known known(NodeId node, const Place& place, size_t which);
  Known emit_node(NodeId node, const Place& place, size_t which);
  std::optional<SplitInteger> emit_split(const Node& node, const Place& place);
  SplitInteger split_of(NodeId node, const Place& place);
  SplitInteger compress(SplitInteger x, uint32_t mask);
  SplitInteger shift(SplitInteger x, int left);
  SplitInteger keep(SplitInteger x, uint32_t mask);
  std::optional<SplitInteger> join(const SplitInteger& x, const SplitInteger& y, bool add);
  llvm::Value* materialize(const SplitInteger& x);
  llvm::Value* number(Op op, DType operand_type, DType result, const std::vector<llvm::Value*>& operands);
  /// What `emit` returns; values that it computes are forgotten afterwards.
  llvm::Value* in_scope(const std::function<llvm::Value*()>& emit);
  std::vector<llvm::Value*> in_scope(const std::function<std::vector<llvm::Value*>()>& emit);

  /// The members that are guarded by one condition, or loaded together, with that of a place: those of its
  /// group, or without groups all of the block.
  std::vector<int> companions(const Place& place) const;
  /// Records the values of companions, and returns that of the place.
  llvm::Value* spread(NodeId node, const Place& place, const std::vector<int>& members,
                      const std::vector<llvm::Value*>& values);
  llvm::Value* branch(const Node& node, const Place& place, llvm::Value* condition);
  std::vector<llvm::Value*> branch_together(const Node& node, const Place& place, llvm::Value* condition,
                                            const std::vector<int>& members);

  // expression_loads.cpp
  struct ColumnRun {
    llvm::Value* address = nullptr;        ///< i64
    std::vector<int64_t> offsets;          ///< of the members, in bytes from there
    llvm::Value* pairs_aligned = nullptr;  ///< i1; null: members are not pairs of adjacent columns
  };
  llvm::Value* index_valid(NodeId node, const Place& place);
  llvm::Value* safe_index(NodeId node, AxisId axis, const Place& place);
  llvm::Value* load_one(const Node& node, const Place& place);
  llvm::Value* load(const Node& node, const Place& place);
  std::optional<ColumnRun> column_run(const Node& node, const Place& place, const std::vector<int>& members);
  std::vector<llvm::Value*> load_members(const Node& node, const Place& place,
                                         const std::vector<int>& members);
  std::vector<llvm::Value*> load_together(const Node& node, const Place& place,
                                          const std::vector<int>& members);
  llvm::Value* word(int64_t value) { return b.getInt64(static_cast<uint64_t>(value)); }
  std::vector<llvm::Value*> reduce_members(const Node& node, const Place& place);
  llvm::Value* select_ordered(const Node& node, const Place& place);
  NodeKey key(NodeId node, const Place& place, size_t which) const;
  int leader_of(int member) const;

  const KernelPlan& plan_;
  const Program& program_;
  const ProgramAnalysis& analysis_;
  OpEmitter& ops_;
  llvm::IRBuilder<>& b;
  FragmentSource& source_;
  std::vector<uint32_t> offsets_;  ///< of the fragment's members
  std::vector<int> leaders_;
  struct Chosen {
    llvm::Value* offset = nullptr;
    std::map<NodeId, llvm::Value*> values;
  };
  Chosen chosen_;
  std::set<NodeId> table_;
  NodeId accumulated_;
  std::vector<Scope> scopes_;
  bool masked_ = true;
};

}  // namespace gumtile::codegen
