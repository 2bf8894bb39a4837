#pragma once

#include <string>

#include "codegen/common/llvm.h"

namespace gumtile::codegen {

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

  /// A value carried from one iteration to the next; after the loop it is the last one.
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
