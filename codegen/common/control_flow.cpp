#include "codegen/common/control_flow.h"

namespace gumtile::codegen {

using llvm::Value;

void emit_if(llvm::IRBuilder<>& b, Value* condition, const std::function<void()>& body) {
  llvm::BasicBlock* then = new_block(b, "then");
  llvm::BasicBlock* next = new_block(b, "next");
  b.CreateCondBr(condition, then, next);
  b.SetInsertPoint(then);
  body();
  b.CreateBr(next);
  b.SetInsertPoint(next);
}

Value* value_if(llvm::IRBuilder<>& b, Value* condition, const std::function<Value*()>& body, Value* otherwise,
                bool rare) {
  llvm::BasicBlock* from = b.GetInsertBlock();
  llvm::BasicBlock* then = new_block(b, rare ? "rare" : "then");
  llvm::BasicBlock* next = new_block(b, "join");
  llvm::MDBuilder weights(b.getContext());
  b.CreateCondBr(condition, then, next, rare ? weights.createUnlikelyBranchWeights() : nullptr);
  b.SetInsertPoint(then);
  Value* value = body();
  llvm::BasicBlock* end = b.GetInsertBlock();
  b.CreateBr(next);
  b.SetInsertPoint(next);
  llvm::PHINode* joined = b.CreatePHI(value->getType(), 2);
  if (rare) {
    joined->addIncoming(otherwise, from);
    joined->addIncoming(value, end);
  } else {
    joined->addIncoming(value, end);
    joined->addIncoming(otherwise, from);
  }
  return joined;
}

}  // namespace gumtile::codegen
