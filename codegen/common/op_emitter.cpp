#include "codegen/common/op_emitter.h"

#include <bit>
#include <numbers>

#include "ir/ops.h"

namespace gumtile::codegen {

using llvm::Type;
using llvm::Value;
using llvm::Intrinsic::ID;

namespace {

constexpr float kLog2e = std::numbers::log2e_v<float>;
constexpr float kLn2 = std::numbers::ln2_v<float>;

}  // namespace

Type* OpEmitter::widen(Type* scalar) const {
  return lanes_ == 0 ? scalar : llvm::FixedVectorType::get(scalar, static_cast<unsigned>(lanes_));
}

Type* OpEmitter::type(DType dtype) const {
  if (dtype == DType::pred) return widen(b.getInt1Ty());
  if (is_float(dtype)) return widen(b.getFloatTy());
  return storage_type(dtype);
}

Type* OpEmitter::storage_type(DType dtype) const {
  if (dtype == DType::f32) return widen(b.getFloatTy());
  return widen(b.getIntNTy(static_cast<unsigned>(8 * size_bytes(dtype))));
}

Value* OpEmitter::splat(Value* scalar) const {
  return lanes_ == 0 ? scalar : b.CreateVectorSplat(static_cast<unsigned>(lanes_), scalar);
}

Value* OpEmitter::constant(DType dtype, uint64_t bits) const {
  Type* t = type(dtype);
  if (is_float(dtype)) return llvm::ConstantFP::get(t, std::bit_cast<float>(static_cast<uint32_t>(bits)));
  const unsigned width = t->getScalarSizeInBits();
  return llvm::ConstantInt::get(t, width == 64 ? bits : bits & ((uint64_t{1} << width) - 1));
}

Value* OpEmitter::f32(float value) const { return llvm::ConstantFP::get(type(DType::f32), value); }

Value* OpEmitter::from_storage(DType dtype, Value* stored) {
  switch (dtype) {
    case DType::bf16:
      return b.CreateBitCast(b.CreateShl(b.CreateZExt(stored, type(DType::u32)), 16), type(DType::f32));
    case DType::f16:
      return math_.f16_to_float(b, stored);
    case DType::pred:
      return b.CreateICmpNE(stored, llvm::Constant::getNullValue(stored->getType()));
    case DType::f32:
    case DType::i32:
    case DType::u32:
    case DType::i64:
    case DType::u64:
      break;
  }
  return stored;
}

Value* OpEmitter::to_storage(DType dtype, Value* value) {
  switch (dtype) {
    case DType::bf16:
      return to_bf16(value);
    case DType::f16:
      return math_.float_to_f16(b, value);
    case DType::pred:
      return b.CreateZExt(value, storage_type(dtype));
    case DType::f32:
    case DType::i32:
    case DType::u32:
    case DType::i64:
    case DType::u64:
      break;
  }
  return value;
}

Value* OpEmitter::to_bf16(Value* value) {
  Value* bits = b.CreateBitCast(value, type(DType::u32));
  Value* odd = b.CreateAnd(b.CreateLShr(bits, 16), 1);
  Value* rounded = b.CreateAdd(bits, b.CreateAdd(odd, llvm::ConstantInt::get(bits->getType(), 0x7fff)));
  Value* quiet = b.CreateOr(bits, llvm::ConstantInt::get(bits->getType(), 0x400000));
  Value* chosen = b.CreateSelect(b.CreateFCmpUNO(value, value), quiet, rounded);
  return b.CreateTrunc(b.CreateLShr(chosen, 16), storage_type(DType::bf16));
}

Value* OpEmitter::round_to(DType dtype, Value* value) {
  return from_storage(dtype, to_storage(dtype, value));
}

Value* OpEmitter::cast(DType from, DType to, Value* value) {
  if (from == to) return value;
  Type* t = type(to);
  if (from == DType::f32) {
    if (to == DType::pred) return b.CreateFCmpUNE(value, f32(0));
    return math_.float_to_integer(b, value, t, is_signed_integer(to));
  }
  if (to == DType::f32) return is_signed_integer(from) ? b.CreateSIToFP(value, t) : b.CreateUIToFP(value, t);
  if (to == DType::pred) return b.CreateICmpNE(value, llvm::Constant::getNullValue(value->getType()));
  return is_signed_integer(from) ? b.CreateSExtOrTrunc(value, t) : b.CreateZExtOrTrunc(value, t);
}

Value* MathTarget::float_to_integer(llvm::IRBuilder<>& b, Value* x, llvm::Type* to, bool is_signed) {
  return b.CreateIntrinsic(is_signed ? llvm::Intrinsic::fptosi_sat : llvm::Intrinsic::fptoui_sat,
                           {to, x->getType()}, {x});
}

std::pair<Value*, Value*> MathTarget::multiply_wide(llvm::IRBuilder<>& b, Value* x, uint32_t factor) {
  llvm::Type* word = x->getType();
  llvm::Type* wide = word->getWithNewBitWidth(64);
  Value* product = b.CreateMul(b.CreateZExt(x, wide), llvm::ConstantInt::get(wide, factor));
  return {b.CreateTrunc(b.CreateLShr(product, 32), word), b.CreateTrunc(product, word)};
}

Value* OpEmitter::tanh(Value* x) {
  // |x| < 1/16: the series, exact to 4e-9. Otherwise 2 / (1 + t) - 1 with t = exp(-2|x|), which never
  // overflows.
  Value* square = b.CreateFMul(x, x);
  Value* p = math_.fma(b, square, f32(2.0f / 15.0f), f32(-1.0f / 3.0f));
  Value* small = math_.fma(b, b.CreateFMul(square, x), p, x);
  Value* magnitude = b.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, x);
  Value* t = math_.exp2(b, b.CreateFMul(magnitude, f32(-2.0f * kLog2e)));
  Value* large = math_.fma(b, math_.reciprocal(b, b.CreateFAdd(f32(1), t)), f32(2), f32(-1));
  large = b.CreateCopySign(large, x);
  return b.CreateSelect(b.CreateFCmpOLT(magnitude, f32(0.0625f)), small, large);
}

Value* OpEmitter::emit(Op op, DType type_in, DType result, std::span<Value* const> v) {
  const bool floating = type_in == DType::f32;
  const bool is_signed = is_signed_integer(type_in);
  auto binary = [&](ID of_float, ID of_signed, ID of_unsigned) {
    return b.CreateBinaryIntrinsic(floating ? of_float : is_signed ? of_signed : of_unsigned, v[0], v[1]);
  };
  auto count = [&] {
    return b.CreateAnd(v[1],
                       llvm::ConstantInt::get(v[1]->getType(), v[1]->getType()->getScalarSizeInBits() - 1));
  };
  switch (op) {
    case Op::neg:
      return floating ? b.CreateFNeg(v[0]) : b.CreateNeg(v[0]);
    case Op::abs:
      if (floating) return b.CreateUnaryIntrinsic(llvm::Intrinsic::fabs, v[0]);
      return b.CreateBinaryIntrinsic(llvm::Intrinsic::abs, v[0], b.getFalse());
    case Op::bit_not:
      return b.CreateNot(v[0]);
    case Op::exp:
      return math_.exp2(b, b.CreateFMul(v[0], f32(kLog2e)));
    case Op::log:
      return b.CreateFMul(math_.log2(b, v[0]), f32(kLn2));
    case Op::exp2:
      return math_.exp2(b, v[0]);
    case Op::log2:
      return math_.log2(b, v[0]);
    case Op::tanh:
      return tanh(v[0]);
    case Op::rint:
      return math_.rint(b, v[0]);
    case Op::floor:
      return math_.floor(b, v[0]);
    case Op::cast:
      return cast(type_in, result, v[0]);
    case Op::bitcast:
      return b.CreateBitCast(v[0], type(result));
    case Op::add:
      return floating ? b.CreateFAdd(v[0], v[1]) : b.CreateAdd(v[0], v[1]);
    case Op::sub:
      return floating ? b.CreateFSub(v[0], v[1]) : b.CreateSub(v[0], v[1]);
    case Op::mul:
      return floating ? b.CreateFMul(v[0], v[1]) : b.CreateMul(v[0], v[1]);
    case Op::div:
      return b.CreateFDiv(v[0], v[1]);
    case Op::min:
      return binary(llvm::Intrinsic::minimum, llvm::Intrinsic::smin, llvm::Intrinsic::umin);
    case Op::max:
      return binary(llvm::Intrinsic::maximum, llvm::Intrinsic::smax, llvm::Intrinsic::umax);
    case Op::bit_and:
      return b.CreateAnd(v[0], v[1]);
    case Op::bit_or:
      return b.CreateOr(v[0], v[1]);
    case Op::bit_xor:
      return b.CreateXor(v[0], v[1]);
    case Op::shl:
      return b.CreateShl(v[0], count());
    case Op::shr:
      return is_signed ? b.CreateAShr(v[0], count()) : b.CreateLShr(v[0], count());
    case Op::mulhi: {
      Type* wide = type(DType::u64);
      Value* product = b.CreateMul(b.CreateZExt(v[0], wide), b.CreateZExt(v[1], wide));
      return b.CreateTrunc(b.CreateLShr(product, 32), type(DType::u32));
    }
    case Op::eq:
      return floating ? b.CreateFCmpOEQ(v[0], v[1]) : b.CreateICmpEQ(v[0], v[1]);
    case Op::ne:
      return floating ? b.CreateFCmpUNE(v[0], v[1]) : b.CreateICmpNE(v[0], v[1]);
    case Op::lt:
      if (floating) return b.CreateFCmpOLT(v[0], v[1]);
      return is_signed ? b.CreateICmpSLT(v[0], v[1]) : b.CreateICmpULT(v[0], v[1]);
    case Op::le:
      if (floating) return b.CreateFCmpOLE(v[0], v[1]);
      return is_signed ? b.CreateICmpSLE(v[0], v[1]) : b.CreateICmpULE(v[0], v[1]);
    case Op::select:
    case Op::branch:
      return b.CreateSelect(v[0], v[1], v[2]);
    case Op::fma:
      return math_.fma(b, v[0], v[1], v[2]);
    case Op::constant:
    case Op::param:
    case Op::index:
    case Op::load:
    case Op::philox:
    case Op::reduce:
    case Op::get:
    case Op::contract:
    case Op::select_ordered:
      break;
  }
  llvm_unreachable("not an elementwise op");
}

std::array<Value*, 4> OpEmitter::philox(std::span<Value* const> v, int rounds) {
  std::array<Value*, 4> c{v[0], v[1], v[2], v[3]};
  std::array<Value*, 2> key{v[4], v[5]};
  Type* word = type(DType::u32);
  auto multiply = [&](uint32_t factor, Value* x) { return math_.multiply_wide(b, x, factor); };
  for (int round = 0; round < rounds; ++round) {
    const auto [hi0, lo0] = multiply(0xD2511F53, c[0]);
    const auto [hi1, lo1] = multiply(0xCD9E8D57, c[2]);
    c = {b.CreateXor(b.CreateXor(hi1, c[1]), key[0]), lo1, b.CreateXor(b.CreateXor(hi0, c[3]), key[1]), lo0};
    key[0] = b.CreateAdd(key[0], llvm::ConstantInt::get(word, 0x9E3779B9));
    key[1] = b.CreateAdd(key[1], llvm::ConstantInt::get(word, 0xBB67AE85));
  }
  return c;
}

Value* OpEmitter::larger(DType dtype, Value* x, Value* y) {
  const llvm::Intrinsic::ID id = dtype == DType::f32        ? llvm::Intrinsic::maxnum
                                 : is_signed_integer(dtype) ? llvm::Intrinsic::smax
                                                            : llvm::Intrinsic::umax;
  return b.CreateBinaryIntrinsic(id, x, y);
}

std::vector<Value*> OpEmitter::identity(const ReductionInfo& reduction) const {
  std::vector<Value*> state;
  for (size_t i = 0; i < reduction.state.size(); ++i)
    state.push_back(constant(reduction.state[i], reduction.identity[i]));
  return state;
}

std::vector<Value*> OpEmitter::combine(const ReductionInfo& reduction, std::span<Value* const> left,
                                       std::span<Value* const> right) {
  const std::vector<Node>& nodes = reduction.combine.nodes;
  std::vector<Value*> values(nodes.size());
  for (size_t i = 0; i < nodes.size(); ++i) {
    const Node& node = nodes[i];
    if (node.op == Op::param) {
      values[i] = node.imm < left.size() ? left[node.imm] : right[node.imm - left.size()];
    } else if (node.op == Op::constant) {
      values[i] = constant(node.dtype, node.imm);
    } else {
      std::vector<Value*> operands;
      for (NodeId operand : node.operands) operands.push_back(values[operand]);
      values[i] = emit(node.op, nodes[node.operands[0]].dtype, node.dtype, operands);
    }
  }
  std::vector<Value*> results;
  for (NodeId result : reduction.combine.results) results.push_back(values[result]);
  return results;
}

}  // namespace gumtile::codegen
