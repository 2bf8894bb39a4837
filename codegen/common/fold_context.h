#pragma once

#include <optional>
#include <vector>

#include "codegen/common/expression_emitter.h"
#include "codegen/common/sweep_states.h"

namespace gumtile::codegen {

/// What all ways to fold a fragment into running states share.
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

  /// The largest of several values; one that is not NaN, if there is one.
  llvm::Value* largest(DType dtype, std::vector<llvm::Value*> values);
  /// The largest of the f32s that the lanes of a row hold. Only with `Lanes`.
  llvm::Value* largest_in_row(llvm::Value* value);
};

/// One of `values` by its number (i32).
llvm::Value* pick(llvm::IRBuilder<>& b, llvm::Value* number, std::vector<llvm::Value*> values);

/// Nodes that others are computed from, themselves among them.
std::set<NodeId> sources_of(const Program& program, std::vector<NodeId> open);

}  // namespace gumtile::codegen
