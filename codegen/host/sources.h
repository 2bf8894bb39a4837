#pragma once

#include "codegen/common/arguments.h"
#include "codegen/common/expression_emitter.h"

namespace gumtile::codegen {

/// What a host function supplies to expressions: inputs through its arguments, lanes as vector elements.
class HostSource : public FragmentSource {
 public:
  HostSource(OpEmitter& ops, const Arguments& arguments) : ops_(ops), b(ops.b), arguments_(arguments) {}

  llvm::Value* accumulator(const Place&) override { llvm_unreachable("no contraction here"); }
  SplitInteger column_base(int) override { llvm_unreachable("no columns here"); }
  llvm::Value* row_value(NodeId, size_t, int) override { llvm_unreachable("no row table here"); }
  llvm::Value* row_index(int) override { return row; }
  llvm::Value* input_address(uint32_t input) override { return arguments_.input(input); }
  llvm::Value* input_stride(uint32_t input) override { return arguments_.input_stride(input); }

  llvm::Value* load(DType dtype, llvm::Value* address, llvm::Value* index) override {
    llvm::Value* pointer = element(size_bytes(dtype), address, index);
    const llvm::Align align(size_bytes(dtype));
    llvm::Type* type = ops_.storage_type(dtype);
    if (ops_.lanes() == 0) return b.CreateAlignedLoad(type, pointer, align);
    return b.CreateMaskedGather(type, pointer, align);
  }

  void store(llvm::Value* stored, llvm::Value* address, llvm::Value* index, llvm::Value* mask) override {
    const size_t bytes = stored->getType()->getScalarSizeInBits() / 8;
    llvm::Value* pointer = element(bytes, address, index);
    if (ops_.lanes() == 0)
      b.CreateAlignedStore(stored, pointer, llvm::Align(bytes));
    else
      b.CreateMaskedScatter(stored, pointer, llvm::Align(bytes), mask);
  }

  llvm::Value* row = nullptr;  ///< i64; a scalar, splatted if a vector is needed

 protected:
  llvm::Value* element(size_t bytes, llvm::Value* address, llvm::Value* index) {
    llvm::Value* offset = b.CreateMul(index, llvm::ConstantInt::get(index->getType(), bytes));
    llvm::Value* base = index->getType()->isVectorTy() ? ops_.splat(address) : address;
    llvm::Value* sum = b.CreateAdd(base, offset);
    llvm::Type* pointers = b.getPtrTy();
    if (auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(index->getType()))
      pointers = llvm::FixedVectorType::get(pointers, vector->getNumElements());
    return b.CreateIntToPtr(sum, pointers);
  }

  OpEmitter& ops_;
  llvm::IRBuilder<>& b;
  const Arguments& arguments_;
};

/// A row's finished reductions, for finalizers.
class HostFinishSource : public HostSource {
 public:
  using HostSource::HostSource;
  llvm::Value* row_value(NodeId node, size_t which, int) override { return finished.at({node, which}); }
  std::map<std::pair<NodeId, size_t>, llvm::Value*> finished;
};

/// A vector of lanes over 16 * lanes columns. Lane l holds the columns of block l / 4 that lane l % 4 of a
/// tensor core would hold.
class HostFragmentSource : public HostSource {
 public:
  HostFragmentSource(OpEmitter& ops, const Arguments& arguments, const KernelPlan& plan)
      : HostSource(ops, arguments), plan_(plan), offsets_(member_offsets(plan.fragment.mask)) {}

  llvm::Value* accumulator(const Place& place) override {
    // The products of the row with the tile's columns lie side by side in memory.
    llvm::Value* local =
        b.CreateAdd(local_base, ops_.constant(DType::u32, offsets_[static_cast<size_t>(place.member)]));
    llvm::Value* index = b.CreateZExt(local, ops_.type(DType::i64));
    return load(DType::f32, products, index);
  }
  SplitInteger column_base(int) override { return {global_base, 0, plan_.fragment.mask}; }
  llvm::Value* row_value(NodeId node, size_t which, int) override {
    const Slot* slot = nullptr;
    for (const Slot& candidate : plan_.row_table)
      if (candidate.node == node) slot = &candidate;
    std::vector<llvm::Value*> words;
    for (int i = 0; i < slot->words; ++i) {
      llvm::Value* pointer =
          b.CreateGEP(b.getInt32Ty(), row_table, b.getInt64(static_cast<uint64_t>(slot->word + i)));
      words.push_back(ops_.splat(b.CreateLoad(b.getInt32Ty(), pointer)));
    }
    (void)which;
    return join(plan_.program.nodes[node].dtype, words);
  }
  llvm::Value* row_index(int) override { return ops_.splat(row); }

  llvm::Value* products = nullptr;     ///< address (i64) of the row's products
  llvm::Value* local_base = nullptr;   ///< lanes of u32: columns within the tile
  llvm::Value* global_base = nullptr;  ///< lanes of u32
  llvm::Value* row_table = nullptr;    ///< the row's words

 private:
  llvm::Value* join(DType dtype, const std::vector<llvm::Value*>& words);
  const KernelPlan& plan_;
  std::vector<uint32_t> offsets_;
};

}  // namespace gumtile::codegen
