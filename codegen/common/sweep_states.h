#pragma once

#include <vector>

#include "codegen/common/op_emitter.h"
#include "gumtile/plan.h"
#include "ir/analysis.h"

namespace gumtile::codegen {

/// The running states of all sweep reductions of one row: one variable per 32- or 64-bit component.
struct RowStates {
  std::vector<std::vector<llvm::AllocaInst*>> components;  ///< [sweep reduction][component]
};

/// A row's states as values, in the same order.
using StateValues = std::vector<std::vector<llvm::Value*>>;

/// Operations on the states of a Program's sweep reductions (those over the column or group axis), whatever
/// they hold.
class SweepStates {
 public:
  SweepStates(const KernelPlan& plan, OpEmitter& ops) : plan_(plan), ops_(ops), b(ops.b) {}

  size_t count() const { return plan_.analysis->sweep_reductions.size(); }
  /// The reduce node and the reduction of sweep reduction `number`.
  NodeId node(size_t number) const { return plan_.analysis->sweep_reductions[number]; }
  const ReductionInfo& reduction(size_t number) const {
    return plan_.program.reductions[plan_.program.nodes[node(number)].imm];
  }

  RowStates make() const;  ///< variables of the current function
  void store(const RowStates& states, const StateValues& values);
  StateValues load(const RowStates& states);
  StateValues identity() const;
  StateValues combine(const StateValues& left, const StateValues& right);

  /// To 32-bit words in a record's order, and back.
  std::vector<llvm::Value*> to_words(const StateValues& values);
  StateValues from_words(const std::vector<llvm::Value*>& words);

 private:
  const KernelPlan& plan_;
  OpEmitter& ops_;
  llvm::IRBuilder<>& b;
};

/// Loads and stores the components of one reduction's state.
std::vector<llvm::Value*> load_components(llvm::IRBuilder<>& b, const std::vector<llvm::AllocaInst*>& state);
void store_components(llvm::IRBuilder<>& b, const std::vector<llvm::Value*>& values,
                      const std::vector<llvm::AllocaInst*>& state);

/// A value as 32-bit words, low word first, and the inverse.
std::vector<llvm::Value*> split_words(OpEmitter& ops, DType dtype, llvm::Value* value);
llvm::Value* join_words(OpEmitter& ops, DType dtype, const llvm::Value* const* words);

}  // namespace gumtile::codegen
