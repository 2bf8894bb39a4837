#pragma once

#include "abi/launch_abi.h"
#include "codegen/common/llvm.h"
#include "gumtile/plan.h"

namespace gumtile::codegen {

/// The argument words of a kernel (src/abi/launch_abi.h), loaded at the builder's insertion point: construct
/// it in the entry block.
class Arguments {
 public:
  /// `words`: pointer to the array of 64-bit words.
  Arguments(llvm::IRBuilder<>& b, llvm::Value* words, const KernelPlan& plan) {
    const size_t count = abi::address_word(plan.program.inputs.size() + plan.program.outputs.size());
    for (size_t i = 0; i < count; ++i) {
      llvm::Value* pointer = b.CreateConstGEP1_64(b.getInt64Ty(), words, i);
      values_.push_back(b.CreateAlignedLoad(b.getInt64Ty(), pointer, llvm::Align(8)));
    }
    first_output_ = plan.program.inputs.size();
  }

  llvm::Value* rows() const { return values_[abi::word_rows]; }
  llvm::Value* records() const { return values_[abi::word_records]; }
  llvm::Value* staged() const { return values_[abi::word_staged]; }
  llvm::Value* workers() const { return values_[abi::word_workers]; }
  llvm::Value* shared_state() const { return values_[abi::word_shared_state]; }
  llvm::Value* flags() const { return values_[abi::word_flags]; }
  llvm::Value* input(size_t i) const { return values_[abi::address_word(i)]; }
  llvm::Value* input_stride(size_t i) const { return values_[abi::stride_word(i)]; }
  llvm::Value* output(size_t i) const { return values_[abi::address_word(first_output_ + i)]; }
  llvm::Value* output_stride(size_t i) const { return values_[abi::stride_word(first_output_ + i)]; }

 private:
  std::vector<llvm::Value*> values_;
  size_t first_output_ = 0;
};

/// The index of a record's word. A record holds one worker's states of one row (a worker is a block or thread
/// that shares the columns). Records are laid out [row][word][worker], so that the finish reads adjacent
/// workers' words.
inline llvm::Value* record_index(llvm::IRBuilder<>& b, const Arguments& arguments, int record_words,
                                 llvm::Value* row, int word, llvm::Value* worker) {
  llvm::Value* index = b.CreateAdd(b.CreateMul(row, b.getInt64(static_cast<uint64_t>(record_words))),
                                   b.getInt64(static_cast<uint64_t>(word)));
  return b.CreateAdd(b.CreateMul(index, arguments.workers()), worker);
}

}  // namespace gumtile::codegen
