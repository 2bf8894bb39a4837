#include "codegen/nvptx/gpu_source.h"

#include "codegen/common/control_flow.h"

namespace gumtile::codegen {

using llvm::Value;

Value* global_element(llvm::IRBuilder<>& b, size_t bytes, Value* address, Value* index) {
  return b.CreateIntToPtr(b.CreateAdd(address, b.CreateMul(index, b.getInt64(bytes))), b.getPtrTy(1));
}

Value* GpuSource::load(DType dtype, Value* address, Value* index) {
  const size_t bytes = size_bytes(dtype);
  return b.CreateAlignedLoad(ops_.storage_type(dtype), global_element(b, bytes, address, index),
                             llvm::Align(bytes));
}

void GpuSource::store(Value* stored, Value* address, Value* index, Value* mask) {
  const size_t bytes = stored->getType()->getScalarSizeInBits() / 8;
  auto emit = [&] {
    b.CreateAlignedStore(stored, global_element(b, bytes, address, index), llvm::Align(bytes));
  };
  if (mask)
    emit_if(b, mask, emit);
  else
    emit();
}

namespace {

Value* at_offset(llvm::IRBuilder<>& b, Value* address, int64_t offset) {
  return b.CreateConstGEP1_64(b.getInt8Ty(), global_pointer(b, address), static_cast<uint64_t>(offset));
}

}  // namespace

/// A run is loaded as one integer: a vector would be taken apart again by -O2.
std::vector<Value*> GpuSource::load_run(DType dtype, Value* address, int64_t offset, size_t count) {
  const llvm::Align align(size_bytes(dtype) * count);
  llvm::Type* element = ops_.storage_type(dtype);
  Value* from = at_offset(b, address, offset);
  if (count == 1) return {b.CreateAlignedLoad(element, from, align)};
  const unsigned bits = element->getScalarSizeInBits();
  Value* run = b.CreateAlignedLoad(b.getIntNTy(static_cast<unsigned>(count) * bits), from, align);
  std::vector<Value*> values;
  for (unsigned i = 0; i < count; ++i) {
    Value* part = b.CreateTrunc(b.CreateLShr(run, uint64_t{i} * bits), b.getIntNTy(bits));
    values.push_back(b.CreateBitCast(part, element));
  }
  return values;
}

void GpuSource::store_run(std::span<Value* const> stored, Value* address, int64_t offset) {
  const size_t bytes = stored[0]->getType()->getScalarSizeInBits() / 8;
  Value* run = stored[0];
  if (stored.size() > 1) {
    run = llvm::PoisonValue::get(
        llvm::FixedVectorType::get(stored[0]->getType(), static_cast<unsigned>(stored.size())));
    for (uint64_t i = 0; i < stored.size(); ++i) run = b.CreateInsertElement(run, stored[i], i);
  }
  b.CreateAlignedStore(run, at_offset(b, address, offset), llvm::Align(bytes * stored.size()));
}

}  // namespace gumtile::codegen
