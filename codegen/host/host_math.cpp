#include "codegen/host/host_math.h"

#include <limits>

namespace gumtile::codegen {

using llvm::Type;
using llvm::Value;

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

/// Types and constants with the shape (scalar or vector) of a value.
struct Shape {
  explicit Shape(Value* x) : type(x->getType()) {}
  Type* with(Type* scalar) const {
    auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(type);
    return vector ? llvm::FixedVectorType::get(scalar, vector->getNumElements()) : scalar;
  }
  Value* f(float value) const {
    return llvm::ConstantFP::get(with(Type::getFloatTy(type->getContext())), value);
  }
  Value* i(uint32_t value) const {
    return llvm::ConstantInt::get(with(Type::getInt32Ty(type->getContext())), value);
  }
  Type* f32() const { return with(Type::getFloatTy(type->getContext())); }
  Type* i32() const { return with(Type::getInt32Ty(type->getContext())); }
  Type* i16() const { return with(Type::getInt16Ty(type->getContext())); }
  Type* f64() const { return with(Type::getDoubleTy(type->getContext())); }
  Type* f16() const { return with(Type::getHalfTy(type->getContext())); }
  Type* type;
};

}  // namespace

Value* HostMath::multiply_add(llvm::IRBuilder<>& b, Value* x, Value* y, Value* z) {
  if (machine_.has_fma) return b.CreateIntrinsic(llvm::Intrinsic::fma, {x->getType()}, {x, y, z});
  return b.CreateFAdd(b.CreateFMul(x, y), z);
}

Value* HostMath::fma(llvm::IRBuilder<>& b, Value* x, Value* y, Value* z) {
  if (machine_.has_fma) return multiply_add(b, x, y, z);
  // The product is exact in f64. The sum is rounded twice, which differs from a single rounding about once in
  // 2^29.
  const Shape shape(x);
  auto wide = [&](Value* v) { return b.CreateFPExt(v, shape.f64()); };
  return b.CreateFPTrunc(b.CreateFAdd(b.CreateFMul(wide(x), wide(y)), wide(z)), shape.f32());
}

Value* HostMath::rint(llvm::IRBuilder<>& b, Value* x) {
  if (machine_.has_rounding) return b.CreateUnaryIntrinsic(llvm::Intrinsic::rint, x);
  // Adding 1.5 * 2^23 leaves no bits for a fraction; larger magnitudes are already whole.
  const Shape shape(x);
  Value* magic = shape.f(12582912.0f);
  Value* rounded = b.CreateCopySign(b.CreateFSub(b.CreateFAdd(x, magic), magic), x);
  Value* small = b.CreateFCmpOLT(b.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, x), shape.f(4194304.0f));
  return b.CreateSelect(small, rounded, x);
}

Value* HostMath::floor(llvm::IRBuilder<>& b, Value* x) {
  if (machine_.has_rounding) return b.CreateUnaryIntrinsic(llvm::Intrinsic::floor, x);
  const Shape shape(x);
  Value* rounded = rint(b, x);
  Value* down = b.CreateSelect(b.CreateFCmpOGT(rounded, x), b.CreateFSub(rounded, shape.f(1)), rounded);
  return b.CreateCopySign(down, x);
}

Value* HostMath::exp2(llvm::IRBuilder<>& b, Value* x) {
  const Shape shape(x);
  // 2^x = 2^n * 2^f with |f| <= 1/2; Taylor coefficients ln(2)^k / k!, truncation below 2^-26 relative.
  Value* low = b.CreateFCmpOLT(x, shape.f(-126.0f));
  Value* high = b.CreateFCmpOGE(x, shape.f(128.0f));
  Value* whole = rint(b, x);
  Value* f = b.CreateFSub(x, whole);
  Value* p = shape.f(1.5252734e-5f);
  for (float c :
       {1.5403530e-4f, 1.3333558e-3f, 9.6181291e-3f, 5.5504109e-2f, 2.4022651e-1f, 6.9314718e-1f, 1.0f})
    p = multiply_add(b, p, f, shape.f(c));
  Value* n = b.CreateIntrinsic(llvm::Intrinsic::fptosi_sat, {shape.i32(), shape.f32()}, {whole});
  Value* bits = b.CreateAdd(b.CreateBitCast(p, shape.i32()), b.CreateShl(n, 23));
  Value* result = b.CreateBitCast(bits, shape.f32());
  result = b.CreateSelect(low, shape.f(0), result);
  result = b.CreateSelect(high, shape.f(kInf), result);
  return b.CreateSelect(b.CreateFCmpUNO(x, x), x, result);
}

Value* HostMath::log2(llvm::IRBuilder<>& b, Value* x) {
  const Shape shape(x);
  // Subnormals are scaled up first. x = 2^e * m with m in [sqrt(1/2), sqrt(2)); log2(m) = 2 / ln(2) *
  // atanh(s), s = (m - 1) / (m + 1), |s| < 0.1716: five terms, truncation below 2^-30.
  Value* tiny = b.CreateFCmpOLT(x, shape.f(std::numeric_limits<float>::min()));
  Value* scaled = b.CreateSelect(tiny, b.CreateFMul(x, shape.f(0x1p23f)), x);
  Value* bits = b.CreateBitCast(scaled, shape.i32());
  Value* shifted = b.CreateSub(bits, shape.i(0x3f3504f3));  // sqrt(1/2)
  Value* exponent = b.CreateAShr(shifted, shape.i(23));
  Value* m = b.CreateBitCast(b.CreateSub(bits, b.CreateShl(exponent, shape.i(23))), shape.f32());
  Value* e = b.CreateSIToFP(exponent, shape.f32());
  e = b.CreateSelect(tiny, b.CreateFSub(e, shape.f(23.0f)), e);
  Value* s = b.CreateFDiv(b.CreateFSub(m, shape.f(1)), b.CreateFAdd(m, shape.f(1)));
  Value* q = b.CreateFMul(s, s);
  Value* p = shape.f(0.3205989f);
  for (float c : {0.4121986f, 0.5770780f, 0.9617967f}) p = multiply_add(b, p, q, shape.f(c));
  // 2 / ln(2) = 2.8853900818 in two parts keeps the leading term exact to the last bit.
  Value* tail = b.CreateFMul(b.CreateFMul(p, q), s);
  tail = multiply_add(b, s, shape.f(3.8519259e-8f), tail);
  Value* result = b.CreateFAdd(e, multiply_add(b, s, shape.f(2.88539004f), tail));
  result = b.CreateSelect(b.CreateFCmpOEQ(x, shape.f(kInf)), x, result);
  result = b.CreateSelect(b.CreateFCmpOEQ(x, shape.f(0)), shape.f(-kInf), result);
  return b.CreateSelect(b.CreateFCmpULT(x, shape.f(0)), shape.f(std::numeric_limits<float>::quiet_NaN()),
                        result);
}

Value* HostMath::f16_to_float(llvm::IRBuilder<>& b, Value* bits) {
  const Shape shape(bits);
  if (machine_.has_f16) return b.CreateFPExt(b.CreateBitCast(bits, shape.f16()), shape.f32());
  // The exponent and mantissa moved into place are 2^-112 of the value; multiplying back also normalises
  // subnormals. Infinity and NaN get the top exponent.
  Value* wide = b.CreateZExt(bits, shape.i32());
  Value* magnitude = b.CreateShl(b.CreateAnd(wide, shape.i(0x7fff)), shape.i(13));
  Value* value = b.CreateFMul(b.CreateBitCast(magnitude, shape.f32()), shape.f(0x1p112f));
  Value* special = b.CreateBitCast(b.CreateOr(magnitude, shape.i(0x7f800000)), shape.f32());
  value = b.CreateSelect(b.CreateICmpUGE(magnitude, shape.i(0x7c00u << 13)), special, value);
  Value* sign = b.CreateShl(b.CreateAnd(wide, shape.i(0x8000)), shape.i(16));
  return b.CreateBitCast(b.CreateOr(b.CreateBitCast(value, shape.i32()), sign), shape.f32());
}

Value* HostMath::float_to_f16(llvm::IRBuilder<>& b, Value* x) {
  const Shape shape(x);
  if (machine_.has_f16) return b.CreateBitCast(b.CreateFPTrunc(x, shape.f16()), shape.i16());
  Value* bits = b.CreateBitCast(x, shape.i32());
  Value* sign = b.CreateAnd(b.CreateLShr(bits, shape.i(16)), shape.i(0x8000));
  Value* magnitude = b.CreateAnd(bits, shape.i(0x7fffffff));
  Value* absolute = b.CreateBitCast(magnitude, shape.f32());
  Value* odd = b.CreateAnd(b.CreateLShr(magnitude, shape.i(13)), shape.i(1));
  Value* normal = b.CreateAdd(magnitude, b.CreateAdd(odd, shape.i(0xfff)));
  normal = b.CreateLShr(b.CreateSub(normal, shape.i(112u << 23)), shape.i(13));
  // Below 2^-14, adding 1/2 aligns the subnormal's bits with the mantissa and rounds to nearest even.
  Value* small =
      b.CreateSub(b.CreateBitCast(b.CreateFAdd(absolute, shape.f(0.5f)), shape.i32()), shape.i(0x3f000000));
  Value* result = b.CreateSelect(b.CreateFCmpOLT(absolute, shape.f(0x1p-14f)), small, normal);
  result = b.CreateSelect(b.CreateFCmpOGE(absolute, shape.f(65520.0f)), shape.i(0x7c00), result);
  result = b.CreateSelect(b.CreateFCmpUNO(x, x), shape.i(0x7e00), result);
  return b.CreateTrunc(b.CreateOr(result, sign), shape.i16());
}

}  // namespace gumtile::codegen
