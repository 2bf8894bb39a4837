#include "codegen/common/fold_context.h"

namespace gumtile::codegen {

using llvm::Value;

Value* FoldContext::largest(DType dtype, std::vector<Value*> values) {
  while (values.size() > 1) {
    std::vector<Value*> next;
    for (size_t i = 0; i + 1 < values.size(); i += 2)
      next.push_back(ops.larger(dtype, values[i], values[i + 1]));
    if (values.size() % 2 != 0) next.push_back(values.back());
    values = std::move(next);
  }
  return values[0];
}

Value* FoldContext::largest_in_row(Value* value) {
  Lanes& lanes = *source.lanes();
  for (const int bit : lanes.row_bits()) {
    Value* word = b.CreateBitCast(value, b.getInt32Ty());
    value = ops.larger(DType::f32, value, b.CreateBitCast(lanes.from(word, bit), value->getType()));
  }
  return value;
}

Value* pick(llvm::IRBuilder<>& b, Value* number, std::vector<Value*> values) {
  for (uint64_t bit = 1; values.size() > 1; bit <<= 1) {
    Value* odd = b.CreateICmpNE(b.CreateAnd(number, bit), b.getInt32(0));
    std::vector<Value*> next;
    for (size_t i = 0; i + 1 < values.size(); i += 2)
      next.push_back(b.CreateSelect(odd, values[i + 1], values[i]));
    if (values.size() % 2 != 0) next.push_back(values.back());
    values = std::move(next);
  }
  return values[0];
}

std::set<NodeId> sources_of(const Program& program, std::vector<NodeId> open) {
  std::set<NodeId> found;
  while (!open.empty()) {
    const NodeId id = open.back();
    open.pop_back();
    if (!found.insert(id).second) continue;
    const std::vector<NodeId>& operands = program.nodes[id].operands;
    open.insert(open.end(), operands.begin(), operands.end());
  }
  return found;
}

}  // namespace gumtile::codegen
