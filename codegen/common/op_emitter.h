#pragma once

#include <array>
#include <span>
#include <utility>
#include <vector>

#include "codegen/common/llvm.h"
#include "gumtile/program.h"

namespace gumtile::codegen {

/// Operations that have no portable form in LLVM IR. One implementation per backend.
class MathTarget {
 public:
  virtual ~MathTarget() = default;
  /// log2 and exp2 of f32 (scalar or vector); subnormal results and arguments may count as zero.
  virtual llvm::Value* log2(llvm::IRBuilder<>& b, llvm::Value* x) = 0;
  virtual llvm::Value* exp2(llvm::IRBuilder<>& b, llvm::Value* x) = 0;
  /// 1 / x for x from 1 to 2; an error of two units in the last place is allowed.
  virtual llvm::Value* reciprocal(llvm::IRBuilder<>& b, llvm::Value* x) {
    return b.CreateFDiv(llvm::ConstantFP::get(x->getType(), 1), x);
  }
  virtual llvm::Value* rint(llvm::IRBuilder<>& b, llvm::Value* x) = 0;
  virtual llvm::Value* floor(llvm::IRBuilder<>& b, llvm::Value* x) = 0;
  virtual llvm::Value* fma(llvm::IRBuilder<>& b, llvm::Value* x, llvm::Value* y, llvm::Value* z) = 0;
  /// f32 from f16 bits (i16) and back, rounded to nearest even.
  virtual llvm::Value* f16_to_float(llvm::IRBuilder<>& b, llvm::Value* bits) = 0;
  virtual llvm::Value* float_to_f16(llvm::IRBuilder<>& b, llvm::Value* x) = 0;
  /// Converts f32 to an integer of type `to`, rounding towards zero. Values that do not fit saturate; NaN
  /// gives 0.
  virtual llvm::Value* float_to_integer(llvm::IRBuilder<>& b, llvm::Value* x, llvm::Type* to, bool is_signed);
  /// The upper and the lower half of the product of two u32s.
  virtual std::pair<llvm::Value*, llvm::Value*> multiply_wide(llvm::IRBuilder<>& b, llvm::Value* x,
                                                              uint32_t factor);
};

/// Emits elementwise ops over scalars (`lanes` = 0) or vectors, the same for every target, at the builder's
/// insertion point.
class OpEmitter {
 public:
  OpEmitter(llvm::IRBuilder<>& builder, MathTarget& math, int lanes)
      : b(builder), math_(math), lanes_(lanes) {}

  llvm::Type* type(DType dtype) const;
  llvm::Value* constant(DType dtype, uint64_t bits) const;
  /// A scalar repeated over the lanes.
  llvm::Value* splat(llvm::Value* scalar) const;
  int lanes() const { return lanes_; }

  /// One elementwise op; `operand_type` as in scalar::evaluate (src/ir/scalar.h).
  llvm::Value* emit(Op op, DType operand_type, DType result, std::span<llvm::Value* const> operands);
  std::array<llvm::Value*, 4> philox(std::span<llvm::Value* const> operands, int rounds);

  /// The larger of two, or the one that is not NaN.
  llvm::Value* larger(DType dtype, llvm::Value* x, llvm::Value* y);

  /// Two states joined by the reduction's combine.
  std::vector<llvm::Value*> combine(const ReductionInfo& reduction, std::span<llvm::Value* const> left,
                                    std::span<llvm::Value* const> right);
  std::vector<llvm::Value*> identity(const ReductionInfo& reduction) const;

  /// Conversions between a stored element (i16 for bf16 and f16) and its compute type.
  llvm::Type* storage_type(DType dtype) const;
  llvm::Value* from_storage(DType dtype, llvm::Value* stored);
  llvm::Value* to_storage(DType dtype, llvm::Value* value);
  /// An f32 rounded to `dtype`, as f32.
  llvm::Value* round_to(DType dtype, llvm::Value* value);

  llvm::IRBuilder<>& b;

 private:
  llvm::Type* widen(llvm::Type* scalar) const;
  llvm::Value* cast(DType from, DType to, llvm::Value* value);
  llvm::Value* tanh(llvm::Value* x);
  llvm::Value* to_bf16(llvm::Value* value);
  llvm::Value* f32(float value) const;

  MathTarget& math_;
  int lanes_;
};

}  // namespace gumtile::codegen
