#include "codegen/common/staged_row.h"

#include "codegen/common/control_flow.h"

namespace gumtile::codegen {

using llvm::Value;

StagedRow emit_staged_row(const KernelPlan& plan, OpEmitter& ops, FragmentSource& source, Value* row) {
  const ContractionInfo& c = plan.program.contractions[plan.analysis->contraction];
  if (c.left_index == kNone) return {row, nullptr};
  llvm::IRBuilder<>& b = ops.b;
  llvm::BasicBlock* bound = new_block(b, "index_bound");
  llvm::BasicBlock* active = new_block(b, "row_active");
  llvm::BasicBlock* known = new_block(b, "row_known");
  llvm::BasicBlock* from = b.GetInsertBlock();
  Value* address = source.input_address(c.left_index);
  b.CreateCondBr(b.CreateICmpNE(address, b.getInt64(0)), bound, known);
  b.SetInsertPoint(bound);
  llvm::BasicBlock* rejected = nullptr;
  if (plan.program.row_guard != kNone) {
    ExpressionEmitter expressions(plan, ops, source, false);
    Value* guard = expressions.value(plan.program.row_guard, {});
    rejected = b.GetInsertBlock();
    b.CreateCondBr(guard, active, known);
  } else {
    b.CreateBr(active);
  }
  b.SetInsertPoint(active);
  Value* index = b.CreateSExt(source.load(DType::i32, address, row), b.getInt64Ty());
  b.CreateBr(known);
  b.SetInsertPoint(known);
  llvm::PHINode* chosen = b.CreatePHI(b.getInt64Ty(), 3);
  chosen->addIncoming(row, from);
  if (rejected) chosen->addIncoming(b.getInt64(~uint64_t{0}), rejected);
  chosen->addIncoming(index, active);
  Value* exists = b.CreateICmpSGE(chosen, b.getInt64(0));
  return {b.CreateSelect(exists, chosen, b.getInt64(0)), exists};
}

}  // namespace gumtile::codegen
