#pragma once

#include "codegen/common/op_emitter.h"
#include "codegen/host/machine.h"

namespace gumtile::codegen {

/// Functions of f32, written out as polynomials because host code may not call a library.
class HostMath : public MathTarget {
 public:
  explicit HostMath(const HostMachine& machine) : machine_(machine) {}

  llvm::Value* log2(llvm::IRBuilder<>& b, llvm::Value* x) override;
  llvm::Value* exp2(llvm::IRBuilder<>& b, llvm::Value* x) override;
  llvm::Value* rint(llvm::IRBuilder<>& b, llvm::Value* x) override;
  llvm::Value* floor(llvm::IRBuilder<>& b, llvm::Value* x) override;
  llvm::Value* fma(llvm::IRBuilder<>& b, llvm::Value* x, llvm::Value* y, llvm::Value* z) override;
  llvm::Value* f16_to_float(llvm::IRBuilder<>& b, llvm::Value* bits) override;
  llvm::Value* float_to_f16(llvm::IRBuilder<>& b, llvm::Value* x) override;

 private:
  /// x * y + z if the last bit does not matter: one instruction or two, never emulated.
  llvm::Value* multiply_add(llvm::IRBuilder<>& b, llvm::Value* x, llvm::Value* y, llvm::Value* z);

  const HostMachine& machine_;
};

}  // namespace gumtile::codegen
