#include "codegen/common/row_emitter.h"

#include "codegen/common/control_flow.h"
#include "codegen/common/sweep_states.h"

namespace gumtile::codegen {

using llvm::Value;

void emit_row_table(const KernelPlan& plan, OpEmitter& ops, FragmentSource& source, Value* in_range,
                    const std::function<void(int, Value*)>& put) {
  if (plan.row_table.empty()) return;
  llvm::IRBuilder<>& b = ops.b;
  llvm::BasicBlock* exists = new_block(b, "row_exists");
  llvm::BasicBlock* active = new_block(b, "row_active");
  llvm::BasicBlock* inactive = new_block(b, "row_inactive");
  llvm::BasicBlock* done = new_block(b, "row_done");
  ExpressionEmitter expressions(plan, ops, source, false);
  auto put_value = [&](const Slot& slot) {
    const DType dtype = plan.program.nodes[slot.node].dtype;
    const auto words = split_words(ops, dtype, expressions.value(slot.node, {}));
    for (size_t i = 0; i < words.size(); ++i) put(slot.word + static_cast<int>(i), words[i]);
  };
  // A value that is the same for all rows must be present for inactive rows, too: a lane shares it between
  // its rows.
  for (const Slot& slot : plan.row_table)
    if (!plan.analysis->nodes[slot.node].per_row) put_value(slot);
  b.CreateCondBr(in_range, exists, inactive);
  b.SetInsertPoint(exists);
  if (plan.program.row_guard != kNone)
    b.CreateCondBr(expressions.value(plan.program.row_guard, {}), active, inactive);
  else
    b.CreateBr(active);
  b.SetInsertPoint(active);
  for (const Slot& slot : plan.row_table)
    if (plan.analysis->nodes[slot.node].per_row) put_value(slot);
  b.CreateBr(done);
  b.SetInsertPoint(inactive);
  for (const Slot& slot : plan.row_table)
    if (plan.analysis->nodes[slot.node].per_row)
      for (int i = 0; i < slot.words; ++i) put(slot.word + i, b.getInt32(0));
  b.CreateBr(done);
  b.SetInsertPoint(done);
}

void emit_finish_row(const KernelPlan& plan, OpEmitter& ops, FragmentSource& source, bool use_row_table,
                     const std::function<Value*(size_t)>& output_address) {
  llvm::IRBuilder<>& b = ops.b;
  ExpressionEmitter expressions(plan, ops, source, use_row_table);
  llvm::BasicBlock* done = new_block(b, "row_finished");
  if (plan.program.row_guard != kNone) {
    llvm::BasicBlock* active = new_block(b, "row_active");
    b.CreateCondBr(expressions.value(plan.program.row_guard, {}), active, done);
    b.SetInsertPoint(active);
  }
  for (size_t o = 0; o < plan.program.outputs.size(); ++o) {
    const OutputInfo& output = plan.program.outputs[o];
    if (output.kind == OutputInfo::Kind::tile) continue;
    Value* value = expressions.value(output.node, {});
    Value* address = output_address(o);
    llvm::BasicBlock* next = new_block(b, "output_done");
    llvm::BasicBlock* wanted = new_block(b, "output_wanted");
    b.CreateCondBr(b.CreateICmpNE(address, b.getInt64(0)), wanted, next);
    b.SetInsertPoint(wanted);
    if (output.kind == OutputInfo::Kind::any) {
      llvm::BasicBlock* set = new_block(b, "any_set");
      b.CreateCondBr(b.CreateICmpNE(value, b.getInt32(0)), set, next);
      b.SetInsertPoint(set);
      b.CreateAtomicRMW(llvm::AtomicRMWInst::Or, b.CreateIntToPtr(address, b.getPtrTy()), value,
                        llvm::MaybeAlign(4), llvm::AtomicOrdering::Monotonic);
    } else if (output.position == kNone) {
      source.store(ops.to_storage(output.dtype, value), address, source.row_index(0), nullptr);
    } else {
      expressions.push_scope();
      Value* position = expressions.value(output.position, {});
      expressions.pop_scope();
      if (is_signed_integer(plan.program.nodes[output.position].dtype)) {
        llvm::BasicBlock* placed = new_block(b, "output_placed");
        b.CreateCondBr(b.CreateICmpSGE(position, llvm::ConstantInt::get(position->getType(), 0)), placed,
                       next);
        b.SetInsertPoint(placed);
      }
      source.store(ops.to_storage(output.dtype, value), address, b.CreateZExt(position, b.getInt64Ty()),
                   nullptr);
    }
    b.CreateBr(next);
    b.SetInsertPoint(next);
  }
  b.CreateBr(done);
  b.SetInsertPoint(done);
}

}  // namespace gumtile::codegen
