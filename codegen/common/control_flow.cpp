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

void emit_if_else(llvm::IRBuilder<>& b, Value* condition, const std::function<void()>& body,
                  const std::function<void()>& otherwise) {
  const auto no_values = [](const std::function<void()>& emit) {
    return [&] {
      emit();
      return std::vector<Value*>();
    };
  };
  values_if(b, condition, no_values(body), no_values(otherwise));
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

std::vector<Value*> values_if(llvm::IRBuilder<>& b, Value* condition,
                              const std::function<std::vector<Value*>()>& then,
                              const std::function<std::vector<Value*>()>& otherwise, bool rare) {
  llvm::BasicBlock* yes = new_block(b, "yes");
  llvm::BasicBlock* no = new_block(b, "no");
  llvm::BasicBlock* next = new_block(b, "either");
  llvm::MDBuilder weights(b.getContext());
  b.CreateCondBr(condition, yes, no, rare ? weights.createUnlikelyBranchWeights() : nullptr);
  const auto way = [&](llvm::BasicBlock*& block, const std::function<std::vector<Value*>()>& emit) {
    b.SetInsertPoint(block);
    std::vector<Value*> values = emit();
    block = b.GetInsertBlock();  // the block in which this branch ends
    b.CreateBr(next);
    return values;
  };
  std::vector<Value*> values = way(yes, then);
  const std::vector<Value*> others = way(no, otherwise);
  b.SetInsertPoint(next);
  for (size_t i = 0; i < values.size(); ++i) {
    llvm::PHINode* joined = b.CreatePHI(values[i]->getType(), 2);
    joined->addIncoming(values[i], yes);
    joined->addIncoming(others[i], no);
    values[i] = joined;
  }
  return values;
}

}  // namespace gumtile::codegen
