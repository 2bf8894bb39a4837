#include "codegen/nvptx/row_table.h"

#include "codegen/common/row_emitter.h"
#include "codegen/common/sweep_states.h"

namespace gumtile::codegen {

using llvm::Value;

Value* RowTable::word(Value* base, int number) {
  const auto offset = static_cast<uint32_t>(plan_.shared_row_table + 4 * number);
  return shared_.at(b.CreateAdd(base, b.getInt32(offset)));
}

void RowTable::fill(Value* thread, int count) {
  if (plan_.row_table.empty()) return;
  for_each_thread(b, thread, plan_.launch.rows_per_block, count, [&](Value* local) {
    GpuSource source(ops_, arguments_);
    source.current_row = threads_.global_row(local);
    Value* base = b.CreateMul(local, b.getInt32(static_cast<uint32_t>(4 * plan_.row_table_words)));
    emit_row_table(
        plan_, ops_, source, b.CreateICmpSLT(source.current_row, arguments_.rows()),
        [&](int at, Value* value) { b.CreateAlignedStore(value, word(base, at), llvm::Align(4)); });
  });
}

Value* RowTable::value(NodeId node, Value* local_row) {
  for (const Slot& slot : plan_.row_table) {
    if (slot.node != node) continue;
    Value* base = b.CreateMul(local_row, b.getInt32(static_cast<uint32_t>(4 * plan_.row_table_words)));
    std::vector<Value*> words;
    for (int i = 0; i < slot.words; ++i)
      words.push_back(b.CreateAlignedLoad(b.getInt32Ty(), word(base, slot.word + i), llvm::Align(4)));
    return join_words(ops_, plan_.program.nodes[node].dtype, words.data());
  }
  llvm_unreachable("not in the row table");
}

Value* RowTable::active(Value* local_row) {
  Value* exists = b.CreateICmpSLT(threads_.global_row(local_row), arguments_.rows());
  const NodeId guard = plan_.program.row_guard;
  if (guard == kNone) return exists;
  const Node& node = plan_.program.nodes[guard];
  if (node.op == Op::constant) return node.imm != 0 ? exists : b.getFalse();
  // The table has zeros for rows that do not exist, except for values that are the same for all rows.
  if (plan_.analysis->nodes[guard].per_row) return value(guard, local_row);
  return b.CreateAnd(exists, value(guard, local_row));
}

}  // namespace gumtile::codegen
