#include "codegen/nvptx/frame.h"

#include "codegen/common/loop.h"
#include "codegen/nvptx/ptx.h"

namespace gumtile::codegen {

using llvm::Value;

void emit_if(llvm::IRBuilder<>& b, Value* condition, const std::function<void()>& body) {
  llvm::Function* f = b.GetInsertBlock()->getParent();
  auto* then = llvm::BasicBlock::Create(b.getContext(), "then", f);
  auto* next = llvm::BasicBlock::Create(b.getContext(), "next", f);
  b.CreateCondBr(condition, then, next);
  b.SetInsertPoint(then);
  body();
  b.CreateBr(next);
  b.SetInsertPoint(next);
}

void for_each_thread(llvm::IRBuilder<>& b, Value* thread, int count, int threads,
                     const std::function<void(Value*)>& body) {
  Loop loop(b, thread, b.getInt32(static_cast<uint32_t>(count)), threads, "each");
  body(loop.index());
  loop.close();
}

StateValues join_lanes(SweepEmitter& sweep, OpEmitter& ops, const StateValues& states, Value* lane,
                       std::initializer_list<int> bits) {
  llvm::IRBuilder<>& b = ops.b;
  StateValues joined = states;
  for (int bit : bits) {
    // Both lanes of a pair combine in the same order, so that they get the same bits.
    Value* upper = b.CreateICmpNE(b.CreateAnd(lane, static_cast<uint64_t>(bit)), b.getInt32(0));
    const std::vector<Value*> mine = sweep.to_words(joined);
    std::vector<Value*> left;
    std::vector<Value*> right;
    for (Value* word : mine) {
      Value* other = ptx::shuffle_xor(b, word, bit);
      left.push_back(b.CreateSelect(upper, other, word));
      right.push_back(b.CreateSelect(upper, word, other));
    }
    joined = sweep.combine(sweep.from_words(left), sweep.from_words(right));
  }
  return joined;
}

Value* GpuSource::element(size_t bytes, Value* address, Value* index) {
  return b.CreateIntToPtr(b.CreateAdd(address, b.CreateMul(index, b.getInt64(bytes))), b.getPtrTy(1));
}

Value* GpuSource::load(DType dtype, Value* address, Value* index) {
  const size_t bytes = size_bytes(dtype);
  return b.CreateAlignedLoad(ops_.storage_type(dtype), element(bytes, address, index), llvm::Align(bytes));
}

void GpuSource::store(Value* stored, Value* address, Value* index, Value* mask) {
  const size_t bytes = stored->getType()->getScalarSizeInBits() / 8;
  auto emit = [&] { b.CreateAlignedStore(stored, element(bytes, address, index), llvm::Align(bytes)); };
  if (mask)
    emit_if(b, mask, emit);
  else
    emit();
}

GpuFrame::GpuFrame(const KernelPlan& plan, const ProgramAnalysis& analysis, OpEmitter& ops,
                   const Arguments& arguments, llvm::GlobalVariable* shared)
    : GpuSource(ops, arguments),
      plan_(plan),
      analysis_(analysis),
      shared_(shared),
      sweep_(plan, analysis, ops, *this) {
  warps_n_ = plan.launch.columns_per_tile / (64 * plan.fragment.blocks);
  thread_ = ptx::thread_index(b);
  lane_ = b.CreateAnd(thread_, 31);
  Value* warp = b.CreateLShr(thread_, 5);
  warp_n_ = b.CreateURem(warp, b.getInt32(static_cast<uint32_t>(warps_n_)));
  warp_m_ = b.CreateUDiv(warp, b.getInt32(static_cast<uint32_t>(warps_n_)));
  first_row_ = b.CreateMul(b.CreateZExt(ptx::block_index_y(b), b.getInt64Ty()),
                           b.getInt64(static_cast<uint64_t>(plan.launch.rows_per_block)));
  partial_ = ptx::block_index_x(b);
  partials_ = b.CreateTrunc(arguments.partials(), b.getInt32Ty());
  // The two low bits of the lane's number, spread over the bits that the fragment's mask leaves of a block
  // of 64.
  std::vector<uint64_t> free_bits;
  for (uint64_t bit = 0; bit < 6; ++bit)
    if (!((plan.fragment.mask >> bit) & 1)) free_bits.push_back(bit);
  Value* low = b.CreateShl(b.CreateAnd(lane_, 1), free_bits[0]);
  Value* high = b.CreateShl(b.CreateAnd(b.CreateLShr(lane_, 1), 1), free_bits[1]);
  lane_columns_ = b.CreateOr(low, high);
}

Value* GpuFrame::shared(Value* offset_bytes) { return b.CreateGEP(b.getInt8Ty(), shared_, offset_bytes); }

Value* GpuFrame::local_row(int row) {
  Value* base = b.CreateMul(warp_m_, b.getInt32(static_cast<uint32_t>(8 * plan_.fragment.rows)));
  return b.CreateAdd(base, b.CreateAdd(b.CreateLShr(lane_, 2), b.getInt32(static_cast<uint32_t>(8 * row))));
}

Value* GpuFrame::clamp_row(Value* row) {
  return b.CreateBinaryIntrinsic(llvm::Intrinsic::smin, row, b.CreateSub(arguments_.rows(), b.getInt64(1)));
}

Value* GpuFrame::row_index(int row) {
  if (current_row) return current_row;  // while the row table is made
  return clamp_row(b.CreateAdd(first_row_, b.CreateZExt(local_row(row), b.getInt64Ty())));
}

Value* GpuFrame::row_value(NodeId node, size_t, int row) {
  for (const Slot& slot : plan_.row_table) {
    if (slot.node != node) continue;
    Value* base = b.CreateMul(local_row(row), b.getInt32(static_cast<uint32_t>(4 * plan_.row_table_words)));
    std::vector<Value*> words;
    for (int i = 0; i < slot.words; ++i) {
      const auto offset = static_cast<uint32_t>(plan_.shared_row_table + 4 * (slot.word + i));
      words.push_back(
          b.CreateAlignedLoad(b.getInt32Ty(), shared(b.CreateAdd(base, b.getInt32(offset))), llvm::Align(4)));
    }
    return join_words(ops_, plan_.program.nodes[node].dtype, words.data());
  }
  llvm_unreachable("not in the row table");
}

Value* GpuFrame::row_active(int row) {
  Value* index = b.CreateAdd(first_row_, b.CreateZExt(local_row(row), b.getInt64Ty()));
  Value* exists = b.CreateICmpSLT(index, arguments_.rows());
  const NodeId guard = plan_.program.row_guard;
  return guard == kNone ? exists : b.CreateAnd(exists, row_value(guard, 0, row));
}

void GpuFrame::begin() {
  // The block that comes first in the grid clears the words that the finish ors into.
  Value* first_thread =
      b.CreateICmpEQ(b.CreateOr(b.CreateOr(thread_, partial_), ptx::block_index_y(b)), b.getInt32(0));
  for (size_t o = 0; o < plan_.program.outputs.size(); ++o) {
    if (plan_.program.outputs[o].kind != OutputInfo::Kind::any) continue;
    Value* wanted = b.CreateAnd(first_thread, b.CreateICmpNE(arguments_.output(o), b.getInt64(0)));
    store(b.getInt32(0), arguments_.output(o), b.getInt64(0), wanted);
  }
  for (int i = 0; i < plan_.fragment.rows; ++i) {
    states_.push_back(sweep_.make_states());
    sweep_.store(states_.back(), sweep_.identity());
  }
  if (plan_.row_table.empty()) return;
  for_each_thread(b, thread_, plan_.launch.rows_per_block, plan_.threads, [&](Value* local) {
    current_row = b.CreateAdd(first_row_, b.CreateZExt(local, b.getInt64Ty()));
    Value* base = b.CreateMul(local, b.getInt32(static_cast<uint32_t>(4 * plan_.row_table_words)));
    emit_row_table(plan_, analysis_, ops_, *this, b.CreateICmpSLT(current_row, arguments_.rows()),
                   [&](int at, Value* value) {
                     const auto offset = static_cast<uint32_t>(plan_.shared_row_table + 4 * at);
                     b.CreateAlignedStore(value, shared(b.CreateAdd(base, b.getInt32(offset))),
                                          llvm::Align(4));
                   });
  });
  current_row = nullptr;
  ptx::barrier(b);
}

void GpuFrame::fold_fragment(bool masked) {
  sweep_.expressions().reset();
  sweep_.expressions().set_masked(masked);
  for (int i = 0; i < plan_.fragment.rows; ++i)
    for (int block = 0; block < plan_.fragment.blocks; ++block) {
      sweep_.fold(i, block, states_[static_cast<size_t>(i)]);
      if (sweep_.stores_tiles())
        sweep_.store_tiles(
            i, block, row_active(i), [&](size_t o) { return arguments_.output(o); },
            [&](size_t o) { return arguments_.output_stride(o); });
    }
}

void GpuFrame::finish_tile(Value* tile, const std::function<Value*(const Place&)>& accumulate) {
  accumulate_ = accumulate;
  const auto columns = static_cast<uint32_t>(plan_.launch.columns_per_tile);
  Value* first = b.CreateMul(tile, b.getInt32(columns));
  Value* warp_first =
      b.CreateAdd(first, b.CreateMul(warp_n_, b.getInt32(columns / static_cast<uint32_t>(warps_n_))));
  column_bases_.clear();
  for (int block = 0; block < plan_.fragment.blocks; ++block)
    column_bases_.push_back(
        b.CreateOr(b.CreateAdd(warp_first, b.getInt32(static_cast<uint32_t>(64 * block))), lane_columns_));
  const auto n = static_cast<uint32_t>(plan_.problem.columns);
  // The last tile may be ragged. A second copy of the epilogue without tests of columns would double the code
  // (and the time to compile it) to save three instructions of a column.
  fold_fragment(n % columns != 0);
}

void GpuFrame::end() {
  if (plan_.record_words == 0) return;
  const auto words_per_row = static_cast<uint32_t>(4 * plan_.record_words);
  Value* writes = b.CreateICmpEQ(b.CreateAnd(lane_, 3), b.getInt32(0));
  Value* warp_base = b.CreateMul(warp_n_, b.getInt32(static_cast<uint32_t>(plan_.launch.rows_per_block)));
  for (int i = 0; i < plan_.fragment.rows; ++i) {
    const StateValues joined =
        join_lanes(sweep_, ops_, sweep_.load(states_[static_cast<size_t>(i)]), lane_, {1, 2});
    const std::vector<Value*> words = sweep_.to_words(joined);
    Value* base = b.CreateMul(b.CreateAdd(warp_base, local_row(i)), b.getInt32(words_per_row));
    emit_if(b, writes, [&] {
      for (size_t w = 0; w < words.size(); ++w) {
        const auto offset = static_cast<uint32_t>(plan_.shared_exchange) + 4 * static_cast<uint32_t>(w);
        b.CreateAlignedStore(words[w], shared(b.CreateAdd(base, b.getInt32(offset))), llvm::Align(4));
      }
    });
  }
  ptx::barrier(b);
  for_each_thread(b, thread_, plan_.launch.rows_per_block, plan_.threads, [&](Value* local) {
    StateValues states;
    for (int warp = 0; warp < warps_n_; ++warp) {
      Value* at = b.CreateAdd(local, b.getInt32(static_cast<uint32_t>(warp * plan_.launch.rows_per_block)));
      Value* base = b.CreateMul(at, b.getInt32(words_per_row));
      std::vector<Value*> words;
      for (int w = 0; w < plan_.record_words; ++w) {
        const auto offset = static_cast<uint32_t>(plan_.shared_exchange + 4 * w);
        words.push_back(b.CreateAlignedLoad(b.getInt32Ty(), shared(b.CreateAdd(base, b.getInt32(offset))),
                                            llvm::Align(4)));
      }
      const StateValues next = sweep_.from_words(words);
      states = warp == 0 ? next : sweep_.combine(states, next);
    }
    Value* global_row = b.CreateAdd(first_row_, b.CreateZExt(local, b.getInt64Ty()));
    emit_if(b, b.CreateICmpSLT(global_row, arguments_.rows()), [&] {
      const std::vector<Value*> words = sweep_.to_words(states);
      for (size_t w = 0; w < words.size(); ++w)
        store(words[w], arguments_.records(),
              record_index(b, arguments_, plan_.record_words, global_row, static_cast<int>(w),
                           b.CreateZExt(partial_, b.getInt64Ty())),
              nullptr);
    });
  });
}

}  // namespace gumtile::codegen
