#include "codegen/host/dot.h"

#include <llvm/IR/IntrinsicsX86.h>

#include "codegen/common/control_flow.h"

namespace gumtile::codegen {

using llvm::Value;

DotLayout make_dot_layout(const KernelPlan& plan, const HostMachine& machine) {
  const ContractionInfo& c = plan.program.contractions[plan.analysis->contraction];
  const DType weights = plan.program.inputs[c.right].dtype;
  DotLayout layout;
  layout.bf16_dot = machine.has_bf16_dot && weights == DType::bf16 && c.operand_dtype == DType::bf16;
  layout.interleaved = !layout.bf16_dot && weights == DType::bf16;
  layout.staged_dtype = layout.bf16_dot ? DType::bf16 : DType::f32;
  return layout;
}

namespace {

/// How far ahead of their use weights are prefetched.
constexpr int64_t kPrefetchBytes = 2048;

/// One chunk of a weight row or a staged row: two vectors of f32, or one of 2 * lanes bf16.
using Chunk = std::array<Value*, 2>;

class DotEmitter {
 public:
  DotEmitter(llvm::Module& module, const KernelPlan& plan, const HostMachine& machine, MathTarget& math,
             const DotLayout& layout, int rows)
      : module_(module),
        plan_(plan),
        contraction_(plan.program.contractions[plan.analysis->contraction]),
        lanes_(machine.lanes),
        layout_(layout),
        rows_(rows),
        b(module.getContext()),
        ops_(b, math, machine.lanes),
        math_(math) {
    // Accumulators must stay in registers: there are 32 vector registers with AVX-512, otherwise 16.
    columns_ = machine.lanes == 16 || rows == 1 ? 4 : 2;
  }

  llvm::Function* emit() {
    llvm::Type* wide = b.getInt64Ty();
    auto* type = llvm::FunctionType::get(b.getVoidTy(), {wide, wide, wide, wide, b.getPtrTy()}, false);
    auto* f =
        llvm::Function::Create(type, llvm::Function::InternalLinkage, "dot" + std::to_string(rows_), module_);
    f->addFnAttr(llvm::Attribute::NoInline);
    Value* weights = f->getArg(0);
    Value* stride = f->getArg(1);
    Value* staged = f->getArg(2);
    Value* first = f->getArg(3);
    Value* out = f->getArg(4);
    b.SetInsertPoint(llvm::BasicBlock::Create(b.getContext(), "entry", f));
    const int tile = plan_.launch.columns_per_unit;
    Loop columns(b, b.getInt64(0), b.getInt64(tile), columns_, "column");
    std::vector<Value*> weight_rows;
    const DType dtype = plan_.program.inputs[contraction_.right].dtype;
    const auto bytes = static_cast<int64_t>(size_bytes(dtype));
    stride_bytes_ = b.CreateMul(stride, word(bytes));
    for (int c = 0; c < columns_; ++c) {
      Value* column = b.CreateAdd(first, b.CreateAdd(columns.index(), b.getInt64(c)));
      column = b.CreateBinaryIntrinsic(llvm::Intrinsic::umin, column,
                                       b.getInt64(static_cast<uint64_t>(plan_.problem.columns - 1)));
      Value* offset = b.CreateMul(b.CreateMul(column, stride), b.getInt64(static_cast<uint64_t>(bytes)));
      weight_rows.push_back(b.CreateAdd(weights, offset));
    }
    std::vector<Value*> sums = contract(dtype, weight_rows, staged);
    for (int r = 0; r < rows_; ++r)
      for (int c = 0; c < columns_; ++c) {
        Value* total = b.CreateFAddReduce(llvm::ConstantFP::getNegativeZero(b.getFloatTy()), sums[at(r, c)]);
        llvm::cast<llvm::CallInst>(total)->setHasAllowReassoc(true);  // summed as a fixed tree over the lanes
        Value* index = b.CreateAdd(columns.index(), b.getInt64(r * tile + c));
        b.CreateStore(total, b.CreateGEP(b.getFloatTy(), out, index));
      }
    columns.close();
    b.CreateRetVoid();
    return f;
  }

 private:
  size_t at(int row, int column) const { return static_cast<size_t>(row * columns_ + column); }

  std::vector<Value*> contract(DType dtype, const std::vector<Value*>& weight_rows, Value* staged) {
    std::vector<Value*> sums(static_cast<size_t>(rows_ * columns_), ops_.constant(DType::f32, 0));
    const int64_t chunk = int64_t{2} * lanes_;
    const int64_t whole = plan_.problem.contracted / chunk;
    if (whole > 0) {
      Loop loop(b, b.getInt64(0), b.getInt64(static_cast<uint64_t>(whole)), 1, "chunk");
      std::vector<llvm::PHINode*> phis;
      for (Value* sum : sums) phis.push_back(loop.carry(sum));
      std::vector<Value*> next(phis.begin(), phis.end());
      accumulate(dtype, weight_rows, staged, loop.index(), chunk, next);
      for (size_t i = 0; i < phis.size(); ++i) loop.set_next(phis[i], next[i]);
      loop.close();
      sums.assign(phis.begin(), phis.end());
    }
    if (const int64_t rest = plan_.problem.contracted % chunk; rest != 0)
      accumulate(dtype, weight_rows, staged, b.getInt64(static_cast<uint64_t>(whole)), rest, sums);
    return sums;
  }

  void accumulate(DType dtype, const std::vector<Value*>& weight_rows, Value* staged, Value* chunk,
                  int64_t elements, std::vector<Value*>& sums) {
    std::vector<Chunk> weights;
    weights.reserve(weight_rows.size());
    for (Value* row : weight_rows) {
      prefetch(dtype, row, chunk);
      weights.push_back(load_weights(dtype, row, chunk, elements));
    }
    for (int r = 0; r < rows_; ++r) {
      const Chunk h = load_staged(staged, r, chunk);
      for (int c = 0; c < columns_; ++c) {
        Value*& sum = sums[at(r, c)];
        const Chunk& w = weights[static_cast<size_t>(c)];
        if (layout_.bf16_dot) {
          sum = b.CreateIntrinsic(llvm::Intrinsic::x86_avx512bf16_dpbf16ps_512, {}, {sum, w[0], h[0]});
          continue;
        }
        sum = math_.fma(b, w[0], h[0], sum);
        sum = math_.fma(b, w[1], h[1], sum);
      }
    }
  }

  /// Prefetches the bytes that this stream of weights reads a while later: in the same row or, near its end,
  /// at the start of the row that follows it in the next group of columns. The hardware's prefetcher stops at
  /// every page.
  void prefetch(DType dtype, Value* row, Value* chunk) {
    const auto bytes = static_cast<int64_t>(size_bytes(dtype));
    const int64_t row_bytes = plan_.problem.contracted * bytes;
    if (row_bytes < kPrefetchBytes) return;
    Value* at = b.CreateAdd(b.CreateMul(chunk, word(2 * lanes_ * bytes)), word(kPrefetchBytes));
    Value* next_row =
        b.CreateAdd(b.CreateSub(at, word(row_bytes)), b.CreateMul(stride_bytes_, word(columns_)));
    Value* offset = b.CreateSelect(b.CreateICmpSLT(at, word(row_bytes)), at, next_row);
    Value* pointer = b.CreateIntToPtr(b.CreateAdd(row, offset), b.getPtrTy());
    b.CreateIntrinsic(llvm::Intrinsic::prefetch, {b.getPtrTy()},
                      {pointer, b.getInt32(0), b.getInt32(3), b.getInt32(1)});
  }

  Value* word(int64_t value) { return b.getInt64(static_cast<uint64_t>(value)); }

  Value* address(Value* base, Value* chunk, int64_t chunk_bytes, int64_t extra) {
    Value* offset = b.CreateAdd(b.CreateMul(chunk, b.getInt64(static_cast<uint64_t>(chunk_bytes))),
                                b.getInt64(static_cast<uint64_t>(extra)));
    return b.CreateIntToPtr(b.CreateAdd(base, offset), b.getPtrTy());
  }

  /// The first `valid` of the vector's elements are read; the others are zero.
  Value* load_vector(llvm::Type* element, int count, Value* pointer, int64_t valid) {
    auto* type = llvm::FixedVectorType::get(element, static_cast<unsigned>(count));
    const llvm::Align align(element->getScalarSizeInBits() / 8);
    if (valid >= count) return b.CreateAlignedLoad(type, pointer, align);
    if (valid <= 0) return llvm::Constant::getNullValue(type);
    std::vector<llvm::Constant*> mask;
    for (int i = 0; i < count; ++i) mask.push_back(b.getInt1(i < valid));
    return b.CreateMaskedLoad(type, pointer, align, llvm::ConstantVector::get(mask),
                              llvm::Constant::getNullValue(type));
  }

  Chunk load_weights(DType dtype, Value* row, Value* chunk, int64_t elements) {
    const int64_t bytes = int64_t{2} * lanes_ * static_cast<int64_t>(size_bytes(dtype));
    if (dtype == DType::bf16) {
      Value* stored = load_vector(b.getInt16Ty(), 2 * lanes_, address(row, chunk, bytes, 0), elements);
      if (layout_.bf16_dot)
        return {b.CreateBitCast(
                    stored, llvm::FixedVectorType::get(b.getBFloatTy(), 2u * static_cast<unsigned>(lanes_))),
                nullptr};
      Value* pairs = b.CreateBitCast(stored, ops_.type(DType::u32));
      Value* even = b.CreateShl(pairs, 16);
      Value* odd = b.CreateAnd(pairs, ops_.constant(DType::u32, 0xffff0000));
      return {round(dtype, b.CreateBitCast(even, ops_.type(DType::f32))),
              round(dtype, b.CreateBitCast(odd, ops_.type(DType::f32)))};
    }
    Chunk halves{};
    for (int half = 0; half < 2; ++half) {
      Value* pointer = address(row, chunk, bytes, half * bytes / 2);
      llvm::Type* element = ops_.storage_type(dtype)->getScalarType();
      Value* stored = load_vector(element, lanes_, pointer, elements - half * lanes_);
      halves[static_cast<size_t>(half)] = round(dtype, ops_.from_storage(dtype, stored));
    }
    return halves;
  }

  Value* round(DType from, Value* x) {
    return from == contraction_.operand_dtype ? x : ops_.round_to(contraction_.operand_dtype, x);
  }

  Chunk load_staged(Value* staged, int row, Value* chunk) {
    const auto element = static_cast<int64_t>(size_bytes(layout_.staged_dtype));
    const int64_t row_bytes = row * plan_.launch.staged_stride * element;
    const int64_t chunk_bytes = 2 * lanes_ * element;
    if (layout_.bf16_dot)
      return {load_vector(b.getBFloatTy(), 2 * lanes_, address(staged, chunk, chunk_bytes, row_bytes),
                          2 * lanes_),
              nullptr};
    return {load_vector(b.getFloatTy(), lanes_, address(staged, chunk, chunk_bytes, row_bytes), lanes_),
            load_vector(b.getFloatTy(), lanes_,
                        address(staged, chunk, chunk_bytes, row_bytes + chunk_bytes / 2), lanes_)};
  }

  llvm::Module& module_;
  const KernelPlan& plan_;
  const ContractionInfo& contraction_;
  int lanes_;
  const DotLayout& layout_;
  int rows_;
  int columns_;
  Value* stride_bytes_ = nullptr;
  llvm::IRBuilder<> b;
  OpEmitter ops_;
  MathTarget& math_;
};

}  // namespace

llvm::Function* emit_dot(llvm::Module& module, const KernelPlan& plan, const HostMachine& machine,
                         MathTarget& math, const DotLayout& layout, int rows) {
  return DotEmitter(module, plan, machine, math, layout, rows).emit();
}

}  // namespace gumtile::codegen
