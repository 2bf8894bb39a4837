#pragma once

#include <llvm/IR/IntrinsicInst.h>
#include <llvm/IR/IntrinsicsNVPTX.h>

#include "codegen/common/op_emitter.h"

namespace gumtile::codegen {

/// The approximations of the special function unit. Their errors (PTX ISA, section 9.7.3): lg2.approx 2^-22
/// absolute in (1/2, 2) and 2^-22 relative elsewhere, ex2.approx 2^-22 relative, rcp.approx 2^-23 relative.
/// Subnormals count as zero.
class NvptxMath : public MathTarget {
 public:
  llvm::Value* log2(llvm::IRBuilder<>& b, llvm::Value* x) override {
    return b.CreateIntrinsic(llvm::Intrinsic::nvvm_lg2_approx_ftz_f, {}, {x});
  }
  llvm::Value* exp2(llvm::IRBuilder<>& b, llvm::Value* x) override {
    return b.CreateIntrinsic(llvm::Intrinsic::nvvm_ex2_approx_ftz, {x->getType()}, {x});
  }
  llvm::Value* reciprocal(llvm::IRBuilder<>& b, llvm::Value* x) override {
    return b.CreateIntrinsic(llvm::Intrinsic::nvvm_rcp_approx_ftz_f, {}, {x});
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
  /// cvt to a 32-bit integer saturates and converts NaN to 0 (PTX ISA, "cvt"). It can also round to nearest
  /// even, so that a preceding rint is dropped.
  llvm::Value* float_to_integer(llvm::IRBuilder<>& b, llvm::Value* x, llvm::Type* to,
                                bool is_signed) override {
    if (!to->isIntegerTy(32)) return MathTarget::float_to_integer(b, x, to, is_signed);
    const auto* call = llvm::dyn_cast<llvm::IntrinsicInst>(x);
    const bool nearest = call && call->getIntrinsicID() == llvm::Intrinsic::rint;
    llvm::Value* from = nearest ? call->getArgOperand(0) : x;
    const llvm::Intrinsic::ID id =
        nearest ? (is_signed ? llvm::Intrinsic::nvvm_f2i_rn : llvm::Intrinsic::nvvm_f2ui_rn)
                : (is_signed ? llvm::Intrinsic::nvvm_f2i_rz : llvm::Intrinsic::nvvm_f2ui_rz);
    return b.CreateIntrinsic(id, {}, {from});
  }
  /// Written out, since LLVM turns a chain of such products into 64-bit arithmetic.
  std::pair<llvm::Value*, llvm::Value*> multiply_wide(llvm::IRBuilder<>& b, llvm::Value* x,
                                                      uint32_t factor) override {
    auto* result = llvm::StructType::get(b.getInt32Ty(), b.getInt32Ty());
    auto* type = llvm::FunctionType::get(result, {b.getInt32Ty(), b.getInt32Ty()}, false);
    auto* code = llvm::InlineAsm::get(
        type, "{ .reg .b64 wide; mul.wide.u32 wide, $2, $3; mov.b64 {$1, $0}, wide; }", "=r,=r,r,r", false);
    llvm::Value* both = b.CreateCall(type, code, {x, b.getInt32(factor)});
    return {b.CreateExtractValue(both, 0), b.CreateExtractValue(both, 1)};
  }
};

}  // namespace gumtile::codegen
