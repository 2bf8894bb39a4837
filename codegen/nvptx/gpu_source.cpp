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

}  // namespace gumtile::codegen
