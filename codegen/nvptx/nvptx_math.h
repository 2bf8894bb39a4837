#pragma once

#include <llvm/IR/IntrinsicsNVPTX.h>

#include "codegen/common/op_emitter.h"

namespace gumtile::codegen {

/// The special function unit's approximations: lg2.approx has an absolute error of 2^-22 in (1/2, 2) and a
/// relative one of 2^-22 elsewhere; ex2.approx a relative one of 2^-22 (PTX ISA, section 9.7.3). Subnormals
/// count as zero.
class NvptxMath : public MathTarget {
 public:
  llvm::Value* log2(llvm::IRBuilder<>& b, llvm::Value* x) override {
    return b.CreateIntrinsic(llvm::Intrinsic::nvvm_lg2_approx_ftz_f, {}, {x});
  }
  llvm::Value* exp2(llvm::IRBuilder<>& b, llvm::Value* x) override {
    return b.CreateIntrinsic(llvm::Intrinsic::nvvm_ex2_approx_ftz, {x->getType()}, {x});
  }
  llvm::Value* rint(llvm::IRBuilder<>& b, llvm::Value* x) override {
    return b.CreateUnaryIntrinsic(llvm::Intrinsic::rint, x);
  }
  llvm::Value* floor(llvm::IRBuilder<>& b, llvm::Value* x) override {
    return b.CreateUnaryIntrinsic(llvm::Intrinsic::floor, x);
  }
  llvm::Value* fma(llvm::IRBuilder<>& b, llvm::Value* x, llvm::Value* y, llvm::Value* z) override {
    return b.CreateIntrinsic(llvm::Intrinsic::fma, {x->getType()}, {x, y, z});
  }
  llvm::Value* f16_to_float(llvm::IRBuilder<>& b, llvm::Value* bits) override {
    return b.CreateFPExt(b.CreateBitCast(bits, b.getHalfTy()), b.getFloatTy());
  }
  llvm::Value* float_to_f16(llvm::IRBuilder<>& b, llvm::Value* x) override {
    return b.CreateBitCast(b.CreateFPTrunc(x, b.getHalfTy()), b.getInt16Ty());
  }
};

}  // namespace gumtile::codegen
