#pragma once

#include <functional>
#include <string>
#include <vector>

#include "codegen/common/llvm.h"

namespace gumtile::codegen {

/// A new block at the end of the function that the builder is in.
inline llvm::BasicBlock* new_block(llvm::IRBuilder<>& b, const char* name) {
  return llvm::BasicBlock::Create(b.getContext(), name, b.GetInsertBlock()->getParent());
}

/// Allocates variables in the entry block of the function that the builder is in, wherever the builder
/// stands.
class Variables {
 public:
  explicit Variables(llvm::IRBuilder<>& b) : entry_(entry_block(b), entry_block(b)->begin()) {}
  llvm::AllocaInst* make(llvm::Type* type) { return entry_.CreateAlloca(type); }
  std::vector<llvm::AllocaInst*> make(llvm::Type* type, size_t count) {
    std::vector<llvm::AllocaInst*> variables;
    for (size_t i = 0; i < count; ++i) variables.push_back(make(type));
    return variables;
  }

 private:
  static llvm::BasicBlock* entry_block(llvm::IRBuilder<>& b) {
    return &b.GetInsertBlock()->getParent()->getEntryBlock();
  }
  llvm::IRBuilder<> entry_;
};
inline llvm::Value* get(llvm::IRBuilder<>& b, llvm::AllocaInst* variable) {
  return b.CreateLoad(variable->getAllocatedType(), variable);
}

/// `if (condition) body`.
void emit_if(llvm::IRBuilder<>& b, llvm::Value* condition, const std::function<void()>& body);

/// `if (condition) body else otherwise`.
void emit_if_else(llvm::IRBuilder<>& b, llvm::Value* condition, const std::function<void()>& body,
                  const std::function<void()>& otherwise);

/// `condition ? body() : otherwise`; the code of `body` runs only if the condition holds. `rare`: it seldom
/// does.
llvm::Value* value_if(llvm::IRBuilder<>& b, llvm::Value* condition, const std::function<llvm::Value*()>& body,
                      llvm::Value* otherwise, bool rare = false);

/// The values of `then` or of `otherwise`; only the code of one of them runs. `rare`: the condition seldom
/// holds.
std::vector<llvm::Value*> values_if(llvm::IRBuilder<>& b, llvm::Value* condition,
                                    const std::function<std::vector<llvm::Value*>()>& then,
                                    const std::function<std::vector<llvm::Value*>()>& otherwise,
                                    bool rare = false);

/// `for (index = begin; index < end; index += step)` over a signed integer type. Code emitted between
/// construction and `close` is the body; the builder continues after the loop.
class Loop {
 public:
  Loop(llvm::IRBuilder<>& builder, llvm::Value* begin, llvm::Value* end, llvm::Value* step, const char* name)
      : b(builder), step_(step) {
    llvm::Function* f = b.GetInsertBlock()->getParent();
    before_ = b.GetInsertBlock();
    header_ = llvm::BasicBlock::Create(b.getContext(), std::string(name) + "_loop", f);
    auto* body = llvm::BasicBlock::Create(b.getContext(), std::string(name) + "_body", f);
    after_ = llvm::BasicBlock::Create(b.getContext(), std::string(name) + "_end", f);
    b.CreateBr(header_);
    b.SetInsertPoint(header_);
    index_ = b.CreatePHI(begin->getType(), 2, name);
    index_->addIncoming(begin, before_);
    b.CreateCondBr(b.CreateICmpSLT(index_, end), body, after_);
    b.SetInsertPoint(body);
  }
  Loop(llvm::IRBuilder<>& builder, llvm::Value* begin, llvm::Value* end, int64_t step, const char* name)
      : Loop(builder, begin, end, llvm::ConstantInt::getSigned(begin->getType(), step), name) {}
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  llvm::Value* index() const { return index_; }

  /// A value carried from one iteration to the next; after the loop it has its last value.
  llvm::PHINode* carry(llvm::Value* initial) {
    llvm::PHINode* phi = llvm::PHINode::Create(initial->getType(), 2, "", header_->getFirstNonPHIIt());
    phi->addIncoming(initial, before_);
    return phi;
  }
  void set_next(llvm::PHINode* phi, llvm::Value* next) { phi->addIncoming(next, b.GetInsertBlock()); }

  void close() {
    index_->addIncoming(b.CreateAdd(index_, step_), b.GetInsertBlock());
    b.CreateBr(header_);
    b.SetInsertPoint(after_);
  }

  /// Keeps the optimiser from unrolling the loop. Call after `close`.
  void keep_rolled() {
    llvm::LLVMContext& context = b.getContext();
    auto* disable = llvm::MDNode::get(context, {llvm::MDString::get(context, "llvm.loop.unroll.disable")});
    auto* id = llvm::MDNode::getDistinct(context, {nullptr, disable});
    id->replaceOperandWith(0, id);
    for (llvm::BasicBlock* block : llvm::predecessors(header_))
      if (block != before_) block->getTerminator()->setMetadata(llvm::LLVMContext::MD_loop, id);
  }

 private:
  llvm::IRBuilder<>& b;
  llvm::Value* step_;
  llvm::BasicBlock* before_;
  llvm::BasicBlock* header_;
  llvm::BasicBlock* after_;
  llvm::PHINode* index_;
};

}  // namespace gumtile::codegen
