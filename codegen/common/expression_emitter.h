#pragma once

#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "codegen/common/op_emitter.h"
#include "gumtile/plan.h"
#include "ir/analysis.h"

namespace gumtile::codegen {

/// A place in the fragment that one lane holds, all known when code is emitted.
struct Place {
  /// As a row and block: those that `FragmentSource::choose` has named.
  static constexpr int kChosen = -2;

  int row = 0;
  int block = 0;   ///< of 64 columns
  int member = 0;  ///< which of the fragment's columns in the block
};

/// An integer known as `base | offset` where the bits of `offset` are zero in `base`. Column arithmetic keeps
/// the part that differs between the columns of a lane in `offset`, so that they share all work on `base`.
struct SplitInteger {
  llvm::Value* base = nullptr;  ///< null: the value is the constant `offset`
  uint32_t offset = 0;
  uint32_t zeros = ~0u;  ///< bits that are known to be zero in `base`
};

/// What the surrounding loop supplies to expressions.
class FragmentSource {
 public:
  virtual ~FragmentSource() = default;
  /// The contraction's value, or what took its place.
  virtual llvm::Value* accumulator(const Place& place) = 0;
  /// Whether another value may take its place, and puts it there.
  virtual bool can_replace_accumulators() { return false; }
  virtual void set_accumulator(const Place& /*place*/, llvm::Value* /*value*/) {}
  /// The block's first column (global) plus what the lane adds (u32); the bits of the fragment's mask are
  /// zero in `base`. Blocks that share a base share what is computed from it.
  virtual SplitInteger column_base(int block) = 0;
  /// A value of the row table, or a finished reduction's component (then `node` is the reduce node).
  virtual llvm::Value* row_value(NodeId node, size_t which, int row) = 0;
  /// The row's index, i64, safe to read inputs at.
  virtual llvm::Value* row_index(int row) = 0;
  /// Around code that rarely runs: what it computes should not be shared with, and so kept alive for, code
  /// that always does.
  virtual void enter_rare_code() {}
  virtual void leave_rare_code() {}
  /// Lanes that run together, as on a GPU: whether an i1 holds in one of them.
  virtual llvm::Value* in_some_lane(llvm::Value* condition) { return condition; }
  /// Lanes that hold other columns of the same row differ from this one in these bits of their number.
  virtual std::vector<int> row_lane_bits() { return {}; }
  /// The i32 of the lane whose number differs in `bit`.
  virtual llvm::Value* from_lane(llvm::Value* word, int /*bit*/) { return word; }
  /// Whether a row and block can be chosen when the code runs.
  virtual bool can_choose() { return false; }
  /// Makes a row of the fragment and a block of it (i32s) the place's {kChosen, kChosen}.
  virtual void choose(llvm::Value* /*row*/, llvm::Value* /*block*/) {}
  /// Whether the row counts (i1); null: it may be taken to.
  virtual llvm::Value* row_active(int) { return nullptr; }
  /// For a reduction with a bound: a first component (of its type) that the row's state has reached
  /// somewhere, or null. Elements whose bound is below it cannot change the row's state.
  virtual llvm::Value* reached_elsewhere(NodeId, int) { return nullptr; }
  /// Address (i64) and row stride in elements (i64) of an input.
  virtual llvm::Value* input_address(uint32_t input) = 0;
  virtual llvm::Value* input_stride(uint32_t input) = 0;
  /// Loads stored elements of `dtype` at element indices (i64, one or a vector) from `address`.
  virtual llvm::Value* load(DType dtype, llvm::Value* address, llvm::Value* index) = 0;
  /// Stores elements where `mask` (i1 or a vector of them; null: everywhere) holds.
  virtual void store(llvm::Value* stored, llvm::Value* address, llvm::Value* index, llvm::Value* mask) = 0;
};

/// Emits the Program's nodes where they are needed, each at most once for each place it depends on.
class ExpressionEmitter {
 public:
  /// `use_row_table`: row-level values are read from the table that the plan lays out; else they are
  /// computed.
  ExpressionEmitter(const KernelPlan& plan, OpEmitter& ops, FragmentSource& source, bool use_row_table);

  /// Columns at or past the problem's end are dropped from reductions while `masked`.
  void set_masked(bool masked) { masked_ = masked; }
  bool masked() const { return masked_; }

  llvm::Value* value(NodeId node, const Place& place, size_t which = 0);

  /// The node whose values the source's accumulators are: the contraction, or what took its place.
  NodeId accumulated() const { return accumulated_; }
  void set_accumulated(NodeId node) { accumulated_ = node; }

  /// Makes `value` the node's at a place, in the current scope: it was computed before.
  void remember(NodeId node, const Place& place, llvm::Value* value) {
    scopes_.back().nodes.emplace(key(node, place, 0), Known{{}, value});
  }

  /// Whether the column at `place`, or some column of its group, exists (i1 or a vector of them).
  /// Constant true where nothing is masked.
  llvm::Value* column_valid(const Place& place);
  llvm::Value* group_valid(const Place& place);

  /// Members of the fragment that start a group, and the members of such a group.
  const std::vector<int>& group_leaders() const { return leaders_; }
  std::vector<int> group_members(int leader) const;
  const std::vector<uint32_t>& fragment_offsets() const { return offsets_; }

  /// Makes one of the members of a block, which one is known when the code runs, the member `chosen()`: it
  /// has this offset (u32) within the block, and these values of nodes.
  void choose(llvm::Value* offset, std::map<NodeId, llvm::Value*> values) {
    chosen_ = {offset, std::move(values)};
  }
  int chosen() const { return static_cast<int>(offsets_.size()); }
  /// Whether a node can be computed for a chosen member: nothing in it belongs to a group.
  bool can_choose(NodeId node) const;
  llvm::Value* column(const Place& place);

  /// Values made inside a conditional block must not be used after it.
  void push_scope() { scopes_.emplace_back(); }
  /// The same, and nothing known outside is used inside.
  void push_fresh_scope() { scopes_.push_back({{}, {}, true}); }
  void pop_scope() { scopes_.pop_back(); }
  /// Forgets everything: for a new tile or function.
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
  SplitInteger split_column(const Place& place);
  SplitInteger compress(SplitInteger x, uint32_t mask);
  SplitInteger shift(SplitInteger x, int left);
  SplitInteger keep(SplitInteger x, uint32_t mask);
  std::optional<SplitInteger> join(const SplitInteger& x, const SplitInteger& y, bool add);
  llvm::Value* materialize(const SplitInteger& x);
  llvm::Value* number(Op op, DType operand_type, DType result, const std::vector<llvm::Value*>& operands);
  llvm::Value* load_column(const Node& node, const Place& place);
  llvm::Value* load(const Node& node, const Place& place);
  llvm::Value* branch(const Node& node, const Place& place, llvm::Value* condition);
  std::vector<llvm::Value*> reduce_members(const Node& node, const Place& place);
  llvm::Value* select_ordered(const Node& node, const Place& place);
  NodeKey key(NodeId node, const Place& place, size_t which) const;
  int leader_of(int member) const;
  /// Whether a block's columns exist together or not at all.
  bool blocks_whole() const;

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
