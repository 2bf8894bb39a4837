#pragma once

#include <optional>
#include <vector>

#include "codegen/common/expression_emitter.h"
#include "codegen/common/sweep_states.h"

namespace gumtile::codegen {

/// What all ways to fold a fragment into running states share. A fragment is what one lane holds of a tile;
/// to fold it is to combine its values into the states.
struct FoldContext {
  FoldContext(const KernelPlan& of, OpEmitter& emitter, FragmentSource& from)
      : plan(of),
        analysis(*of.analysis),
        ops(emitter),
        b(emitter.b),
        source(from),
        expressions(of, emitter, from, true),
        states(of, emitter) {}

  const KernelPlan& plan;
  const ProgramAnalysis& analysis;
  OpEmitter& ops;
  llvm::IRBuilder<>& b;
  FragmentSource& source;
  ExpressionEmitter expressions;
  SweepStates states;

  /// The largest of several values, ignoring NaN unless all are NaN.
  llvm::Value* largest(DType dtype, std::vector<llvm::Value*> values);
  /// The largest of the f32s that a row's lanes hold. Only if the source has `Lanes`.
  llvm::Value* largest_in_row(llvm::Value* value);
};

/// One of `values` by its number (i32).
llvm::Value* pick(llvm::IRBuilder<>& b, llvm::Value* number, std::vector<llvm::Value*> values);

/// The nodes that `open` are computed from, including themselves.
std::set<NodeId> sources_of(const Program& program, std::vector<NodeId> open);

}  // namespace gumtile::codegen
