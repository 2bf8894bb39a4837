#include "codegen/common/adjacent.h"

namespace gumtile::codegen {

using llvm::Value;

bool are_pairs(const std::vector<int64_t>& offsets, int64_t bytes) {
  if (offsets.size() % 2 != 0) return false;
  for (size_t i = 0; i < offsets.size(); i += 2)
    if (offsets[i] % (2 * bytes) != 0 || offsets[i + 1] != offsets[i] + bytes) return false;
  return true;
}

Value* alignment_bits(llvm::IRBuilder<>& b, Value* address, Value* stride, int64_t bytes) {
  llvm::Type* low = b.getInt32Ty();
  Value* pitch = b.CreateMul(b.CreateTrunc(stride, low), b.getInt32(static_cast<uint32_t>(bytes)));
  return b.CreateOr(b.CreateTrunc(address, low), pitch);
}

Value* is_aligned(llvm::IRBuilder<>& b, Value* bits, int64_t to) {
  return b.CreateICmpEQ(b.CreateAnd(bits, static_cast<uint64_t>(to - 1)), b.getInt32(0));
}

}  // namespace gumtile::codegen
