#pragma once

#include "codegen/common/arguments.h"
#include "codegen/common/fragment_source.h"
#include "codegen/common/op_emitter.h"

namespace gumtile::codegen {

/// Accesses the inputs and outputs of a GPU kernel through its arguments. Lanes are scalar, and take one row
/// at a time.
class GpuSource : public FragmentSource {
 public:
  GpuSource(OpEmitter& ops, const Arguments& arguments) : ops_(ops), b(ops.b), arguments_(arguments) {}

  llvm::Value* accumulator(const Place&) override { llvm_unreachable("no contraction here"); }
  SplitInteger column_base(int) override { llvm_unreachable("no columns here"); }
  llvm::Value* row_value(NodeId, size_t, int) override { llvm_unreachable("no row table here"); }
  llvm::Value* row_index(int) override { return current_row; }
  llvm::Value* input_address(uint32_t input) override { return arguments_.input(input); }
  llvm::Value* input_stride(uint32_t input) override { return arguments_.input_stride(input); }
  llvm::Value* load(DType dtype, llvm::Value* address, llvm::Value* index) override;
  void store(llvm::Value* stored, llvm::Value* address, llvm::Value* index, llvm::Value* mask) override;

  bool has_runs() override { return true; }
  std::vector<llvm::Value*> load_run(DType dtype, llvm::Value* address, int64_t offset,
                                     size_t count) override;
  void store_run(std::span<llvm::Value* const> stored, llvm::Value* address, int64_t offset) override;

  llvm::Value* current_row = nullptr;  ///< i64

 protected:
  OpEmitter& ops_;
  llvm::IRBuilder<>& b;
  const Arguments& arguments_;
};

/// The pointer (global memory) to element `index` (i64) of an array of elements of `bytes` bytes at `address`
/// (i64).
llvm::Value* global_element(llvm::IRBuilder<>& b, size_t bytes, llvm::Value* address, llvm::Value* index);
inline llvm::Value* global_pointer(llvm::IRBuilder<>& b, llvm::Value* address) {
  return b.CreateIntToPtr(address, b.getPtrTy(1));
}

}  // namespace gumtile::codegen
