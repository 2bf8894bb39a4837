#pragma once

#include "codegen/common/llvm.h"
#include "gumtile/plan.h"

namespace gumtile::codegen {

/// Where each argument word stands (see LaunchSpec).
inline constexpr unsigned kRowsWord = 0;
inline constexpr unsigned kRecordsWord = 1;
inline constexpr unsigned kStagedWord = 2;
inline constexpr unsigned kPartialsWord = 3;
inline constexpr unsigned kSharedStateWord = 4;
inline constexpr unsigned kFlagsWord = 5;
inline constexpr unsigned kFirstTensorWord = 6;

/// The argument words of a kernel, loaded where the builder stands: call it in the entry block.
class Arguments {
 public:
  /// `words`: pointer to the array of 64-bit words.
  Arguments(llvm::IRBuilder<>& b, llvm::Value* words, const KernelPlan& plan) {
    const size_t count = kFirstTensorWord + 2 * (plan.program.inputs.size() + plan.program.outputs.size());
    for (size_t i = 0; i < count; ++i) {
      llvm::Value* pointer = b.CreateConstGEP1_64(b.getInt64Ty(), words, i);
      values_.push_back(b.CreateAlignedLoad(b.getInt64Ty(), pointer, llvm::Align(8)));
    }
    first_output_ = kFirstTensorWord + 2 * plan.program.inputs.size();
  }

  llvm::Value* rows() const { return values_[kRowsWord]; }
  llvm::Value* records() const { return values_[kRecordsWord]; }
  llvm::Value* staged() const { return values_[kStagedWord]; }
  llvm::Value* partials() const { return values_[kPartialsWord]; }
  llvm::Value* shared_state() const { return values_[kSharedStateWord]; }
  llvm::Value* flags() const { return values_[kFlagsWord]; }
  llvm::Value* input(size_t i) const { return values_[kFirstTensorWord + 2 * i]; }
  llvm::Value* input_stride(size_t i) const { return values_[kFirstTensorWord + 2 * i + 1]; }
  llvm::Value* output(size_t i) const { return values_[first_output_ + 2 * i]; }
  llvm::Value* output_stride(size_t i) const { return values_[first_output_ + 2 * i + 1]; }

 private:
  std::vector<llvm::Value*> values_;
  size_t first_output_ = 0;
};

/// The index of a record's word: records are [row][word][partial], so that a finish reads partials side by
/// side.
inline llvm::Value* record_index(llvm::IRBuilder<>& b, const Arguments& arguments, int record_words,
                                 llvm::Value* row, int word, llvm::Value* partial) {
  llvm::Value* index = b.CreateAdd(b.CreateMul(row, b.getInt64(static_cast<uint64_t>(record_words))),
                                   b.getInt64(static_cast<uint64_t>(word)));
  return b.CreateAdd(b.CreateMul(index, arguments.partials()), partial);
}

}  // namespace gumtile::codegen
