#include "codegen/common/loop.h"
#include "codegen/nvptx/frame.h"
#include "codegen/nvptx/ptx.h"

// How the blocks of a launch join their states. Blocks that share rows arrive at a counter of those rows; the last
// one to arrive finishes them. No block ever waits for another, and the counters and words of the shared state are
// zeros again when the launch ends.
//
// Packed states meet in one 64-bit word a row and reduction, by an atomic maximum or bitwise or: their order does
// not matter. Others are written as records, and joined in the order of the blocks.

namespace gumtile::codegen {

using llvm::Value;

namespace {

constexpr uint64_t kHeaderBytes = 256;
constexpr uint32_t kOrderedMinusInfinity = 0x007fffff;

/// Bits that order as unsigned integers like the floats do: positive ones above negative ones. Both zeros are one.
Value* ordered(llvm::IRBuilder<>& b, Value* key) {
  Value* one_zero = b.CreateFAdd(key, llvm::ConstantFP::get(b.getFloatTy(), 0));
  Value* bits = b.CreateBitCast(one_zero, b.getInt32Ty());
  return b.CreateXor(bits, b.CreateOr(b.CreateAShr(bits, 31), b.getInt32(0x80000000)));
}

/// The inverse.
Value* from_ordered(llvm::IRBuilder<>& b, Value* word) {
  Value* positive = b.CreateICmpSLT(word, b.getInt32(0));
  Value* bits = b.CreateSelect(positive, b.CreateXor(word, b.getInt32(0x80000000)), b.CreateNot(word));
  return b.CreateBitCast(bits, b.getFloatTy());
}

}  // namespace

bool GpuFrame::finishes() const {
  for (const OutputInfo& output : plan_.program.outputs)
    if (output.kind != OutputInfo::Kind::tile) return true;
  return false;
}

void GpuFrame::barrier() {
  if (plan_.consumers == plan_.threads)
    ptx::barrier(b);
  else
    ptx::barrier_of(b, 1, plan_.consumers);
}

/// The address (i64) of a row's packed word.
Value* GpuFrame::state_address(size_t reduction, Value* row) {
  Value* counters = b.CreateAnd(b.CreateAdd(b.CreateShl(arguments_.rows(), 2), b.getInt64(255)), b.getInt64(~255ull));
  Value* words = b.CreateAdd(b.CreateMul(arguments_.rows(), b.getInt64(reduction)), row);
  Value* offset = b.CreateAdd(b.CreateAdd(counters, b.getInt64(kHeaderBytes)), b.CreateShl(words, 3));
  return b.CreateAdd(arguments_.shared_state(), offset);
}

/// The address of the word that collects an `any` output of all rows, or 0 where the caller does not want it.
Value* GpuFrame::any_address(size_t output) {
  size_t word = 1;
  for (size_t o = 0; o < output; ++o) word += plan_.program.outputs[o].kind == OutputInfo::Kind::any;
  Value* address = b.CreateAdd(arguments_.shared_state(), b.getInt64(4 * word));
  return b.CreateSelect(b.CreateICmpNE(arguments_.output(output), b.getInt64(0)), address, b.getInt64(0));
}

void GpuFrame::ask_reached(Value* when) {
  for (size_t i = 0; i < reached_.size(); ++i) {
    // The upper half of the packed word is the ordered key.
    Value* address = b.CreateAdd(state_address(bounded_, row_index(static_cast<int>(i))), b.getInt64(4));
    Value* old = b.CreateLoad(b.getInt32Ty(), reached_[i]);
    b.CreateStore(ptx::load_relaxed_if(b, when, address, old), reached_[i]);
  }
}

Value* GpuFrame::reached_elsewhere(NodeId reduction, int row) {
  if (reached_.empty() || analysis_.sweep_reductions[bounded_] != reduction) return nullptr;
  Value* word = b.CreateLoad(b.getInt32Ty(), reached_[static_cast<size_t>(row)]);
  word = b.CreateBinaryIntrinsic(llvm::Intrinsic::umax, word, b.getInt32(kOrderedMinusInfinity));
  return from_ordered(b, word);
}

/// Joins a lane's states of a row into the packed words. Before the end only progress of the bounded reduction
/// is worth an atomic operation.
void GpuFrame::push(const StateValues& states, int row, bool at_end) {
  Value* active = row_active(row);
  Value* index = row_index(row);
  for (size_t r = 0; r < states.size(); ++r) {
    if (!at_end && r != bounded_) continue;
    const ReductionInfo& reduction =
        plan_.program.reductions[plan_.program.nodes[analysis_.sweep_reductions[r]].imm];
    if (packing_of(reduction) == Packing::bit_or) {
      Value* bits = states[r][0];
      emit_if(b, b.CreateAnd(active, b.CreateICmpNE(bits, b.getInt32(0))), [&] {
        b.CreateAtomicRMW(llvm::AtomicRMWInst::Or, global_pointer(state_address(r, index)),
                          b.CreateZExt(bits, b.getInt64Ty()), llvm::MaybeAlign(8),
                          llvm::AtomicOrdering::Monotonic, ptx::device_scope(b));
      });
      continue;
    }
    Value* key = ordered(b, states[r][0]);
    Value* wanted = b.CreateAnd(active, b.CreateFCmpORD(states[r][0], states[r][0]));
    if (r == bounded_) {
      // A key that equals what others reached may still win by its index.
      Value* reached = b.CreateLoad(b.getInt32Ty(), reached_[static_cast<size_t>(row)]);
      wanted = b.CreateAnd(wanted, at_end ? b.CreateICmpUGE(key, reached) : b.CreateICmpUGT(key, reached));
    }
    emit_if(b, wanted, [&] {
      Value* high = b.CreateShl(b.CreateZExt(key, b.getInt64Ty()), 32);
      Value* packed = b.CreateOr(high, b.CreateZExt(b.CreateNot(states[r][1]), b.getInt64Ty()));
      b.CreateAtomicRMW(llvm::AtomicRMWInst::UMax, global_pointer(state_address(r, index)), packed,
                        llvm::MaybeAlign(8), llvm::AtomicOrdering::Monotonic, ptx::device_scope(b));
    });
    if (r == bounded_) {
      llvm::AllocaInst* reached = reached_[static_cast<size_t>(row)];
      Value* best = b.CreateBinaryIntrinsic(llvm::Intrinsic::umax, b.CreateLoad(b.getInt32Ty(), reached), key);
      if (!at_end) b.CreateStore(b.CreateSelect(wanted, best, b.CreateLoad(b.getInt32Ty(), reached)), reached);
    }
  }
}

/// Joins the warps that share rows through shared memory, then writes the block's records.
void GpuFrame::write_records(const std::vector<StateValues>& states) {
  const auto words_per_row = static_cast<uint32_t>(4 * plan_.record_words);
  Value* writes = b.CreateICmpEQ(b.CreateAnd(lane_, 3), b.getInt32(0));
  Value* warp_base = b.CreateMul(warp_n_, b.getInt32(static_cast<uint32_t>(plan_.launch.rows_per_block)));
  for (int i = 0; i < plan_.fragment.rows; ++i) {
    const std::vector<Value*> words = sweep_.to_words(states[static_cast<size_t>(i)]);
    Value* base = b.CreateMul(b.CreateAdd(warp_base, local_row(i)), b.getInt32(words_per_row));
    emit_if(b, writes, [&] {
      for (size_t w = 0; w < words.size(); ++w) {
        const auto offset = static_cast<uint32_t>(plan_.shared_exchange) + 4 * static_cast<uint32_t>(w);
        b.CreateAlignedStore(words[w], shared(b.CreateAdd(base, b.getInt32(offset))), llvm::Align(4));
      }
    });
  }
  barrier();
  for_each_thread(b, thread_, plan_.launch.rows_per_block, plan_.consumers, [&](Value* local) {
    StateValues joined;
    for (int warp = 0; warp < plan_.warps_n; ++warp) {
      Value* at = b.CreateAdd(local, b.getInt32(static_cast<uint32_t>(warp * plan_.launch.rows_per_block)));
      Value* base = b.CreateMul(at, b.getInt32(words_per_row));
      std::vector<Value*> words;
      for (int w = 0; w < plan_.record_words; ++w) {
        const auto offset = static_cast<uint32_t>(plan_.shared_exchange + 4 * w);
        words.push_back(b.CreateAlignedLoad(b.getInt32Ty(), shared(b.CreateAdd(base, b.getInt32(offset))),
                                            llvm::Align(4)));
      }
      const StateValues next = sweep_.from_words(words);
      joined = warp == 0 ? next : sweep_.combine(joined, next);
    }
    Value* global_row = b.CreateAdd(first_row_, b.CreateZExt(local, b.getInt64Ty()));
    emit_if(b, b.CreateICmpSLT(global_row, arguments_.rows()), [&] {
      const std::vector<Value*> words = sweep_.to_words(joined);
      for (size_t w = 0; w < words.size(); ++w)
        store(words[w], arguments_.records(),
              record_index(b, arguments_, plan_.record_words, global_row, static_cast<int>(w),
                           b.CreateZExt(partial_, b.getInt64Ty())),
              nullptr);
    });
  });
}

void GpuFrame::end() {
  if (!finishes()) return;
  std::vector<StateValues> states;
  for (int i = 0; i < plan_.fragment.rows; ++i)
    states.push_back(join_lanes(sweep_, ops_, sweep_.load(states_[static_cast<size_t>(i)]), lane_, {1, 2}));
  if (plan_.join == Join::records) {
    write_records(states);
  } else {
    emit_if(b, b.CreateICmpEQ(b.CreateAnd(lane_, 3), b.getInt32(0)), [&] {
      for (int i = 0; i < plan_.fragment.rows; ++i) push(states[static_cast<size_t>(i)], i, true);
    });
  }
  // Arrive: all that the block's threads wrote is visible to who sees the count.
  barrier();
  Value* flag = shared(plan_.shared_exchange);
  Value* row_block = b.CreateZExt(ptx::block_index_y(b), b.getInt64Ty());
  Value* counter = b.CreateAdd(arguments_.shared_state(), b.CreateAdd(b.getInt64(kHeaderBytes), b.CreateShl(row_block, 2)));
  emit_if(b, b.CreateICmpEQ(thread_, b.getInt32(0)), [&] {
    ptx::fence_device(b);
    Value* before = b.CreateAtomicRMW(llvm::AtomicRMWInst::Add, global_pointer(counter), b.getInt32(1),
                                      llvm::MaybeAlign(4), llvm::AtomicOrdering::Monotonic, ptx::device_scope(b));
    ptx::fence_device(b);
    Value* last = b.CreateICmpEQ(b.CreateAdd(before, b.getInt32(1)), partials_);
    emit_if(b, last, [&] { b.CreateAlignedStore(b.getInt32(0), global_pointer(counter), llvm::Align(4)); });
    b.CreateAlignedStore(b.CreateZExt(last, b.getInt32Ty()), flag, llvm::Align(4));
  });
  barrier();
  Value* last = b.CreateICmpNE(b.CreateAlignedLoad(b.getInt32Ty(), flag, llvm::Align(4)), b.getInt32(0));
  emit_if(b, last, [&] { finish_block(); });
}

/// By all consumers of the block that came last.
void GpuFrame::finish_block() {
  if (plan_.join == Join::records) {
    // A warp takes one row at a time.
    const int warps = plan_.consumers / 32;
    Loop rows(b, warp_, b.getInt32(static_cast<uint32_t>(plan_.launch.rows_per_block)), warps, "finish");
    Value* row = b.CreateAdd(first_row_, b.CreateZExt(rows.index(), b.getInt64Ty()));
    emit_if(b, b.CreateICmpSLT(row, arguments_.rows()), [&] {
      const StateValues states = read_records(row, sweep_);
      emit_if(b, b.CreateICmpEQ(lane_, b.getInt32(0)), [&] { finish_row(states, rows.index(), row); });
    });
    rows.close();
    rows.keep_rolled();
  } else {
    for_each_thread(b, thread_, plan_.launch.rows_per_block, plan_.consumers, [&](Value* local) {
      Value* row = b.CreateAdd(first_row_, b.CreateZExt(local, b.getInt64Ty()));
      emit_if(b, b.CreateICmpSLT(row, arguments_.rows()), [&] { finish_row(take_packed(row), local, row); });
    });
  }
  publish_any_outputs();
}

StateValues GpuFrame::read_records(Value* row, SweepEmitter& sweep) {
  const RowStates states = sweep.make_states();
  sweep.store(states, sweep.identity());
  Loop loop(b, b.CreateZExt(lane_, b.getInt64Ty()), arguments_.partials(), 32, "partial");
  std::vector<Value*> words;
  for (int w = 0; w < plan_.record_words; ++w) {
    Value* index = record_index(b, arguments_, plan_.record_words, row, w, loop.index());
    words.push_back(ptx::load_fresh(b, element(4, arguments_.records(), index)));
  }
  sweep.store(states, sweep.combine(sweep.load(states), sweep.from_words(words)));
  loop.close();
  return join_lanes(sweep, ops_, sweep.load(states), lane_, {1, 2, 4, 8, 16});
}

/// Reads a row's packed states and clears them.
StateValues GpuFrame::take_packed(Value* row) {
  StateValues states;
  std::vector<Value*> words;
  for (size_t r = 0; r < analysis_.sweep_reductions.size(); ++r) {
    Value* at = global_pointer(state_address(r, row));
    llvm::LoadInst* load = b.CreateAlignedLoad(b.getInt64Ty(), at, llvm::Align(8));
    load->setAtomic(llvm::AtomicOrdering::Monotonic, ptx::device_scope(b));
    words.push_back(load);
  }
  for (size_t r = 0; r < words.size(); ++r) {
    b.CreateAlignedStore(b.getInt64(0), global_pointer(state_address(r, row)), llvm::Align(8));
    Value* low = b.CreateTrunc(words[r], b.getInt32Ty());
    const ReductionInfo& reduction =
        plan_.program.reductions[plan_.program.nodes[analysis_.sweep_reductions[r]].imm];
    if (packing_of(reduction) == Packing::bit_or) {
      states.push_back({low});
      continue;
    }
    Value* high = b.CreateTrunc(b.CreateLShr(words[r], 32), b.getInt32Ty());
    high = b.CreateBinaryIntrinsic(llvm::Intrinsic::umax, high, b.getInt32(kOrderedMinusInfinity));
    states.push_back({from_ordered(b, high), b.CreateNot(low)});
  }
  return states;
}

void GpuFrame::finish_row(const StateValues& states, Value* local, Value* row) {
  for (size_t r = 0; r < states.size(); ++r)
    for (size_t i = 0; i < states[r].size(); ++i) finished[{analysis_.sweep_reductions[r], i}] = states[r][i];
  current_row = row;
  finished_local_ = local;
  emit_finish_row(plan_, analysis_, ops_, *this, true, [&](size_t o) {
    return plan_.program.outputs[o].kind == OutputInfo::Kind::any ? any_address(o) : arguments_.output(o);
  });
  finished.clear();
  current_row = nullptr;
  finished_local_ = nullptr;
}

/// The last of the groups of rows hands out what they collected.
void GpuFrame::publish_any_outputs() {
  bool has_any = false;
  for (const OutputInfo& output : plan_.program.outputs) has_any |= output.kind == OutputInfo::Kind::any;
  if (!has_any) return;
  barrier();
  emit_if(b, b.CreateICmpEQ(thread_, b.getInt32(0)), [&] {
    Value* row_blocks = ptx::grid_size_y(b);
    ptx::fence_device(b);
    Value* header = global_pointer(arguments_.shared_state());
    Value* before = b.CreateAtomicRMW(llvm::AtomicRMWInst::Add, header, b.getInt32(1), llvm::MaybeAlign(4),
                                      llvm::AtomicOrdering::Monotonic, ptx::device_scope(b));
    emit_if(b, b.CreateICmpEQ(b.CreateAdd(before, b.getInt32(1)), row_blocks), [&] {
      ptx::fence_device(b);
      b.CreateAlignedStore(b.getInt32(0), header, llvm::Align(4));
      for (size_t o = 0; o < plan_.program.outputs.size(); ++o) {
        if (plan_.program.outputs[o].kind != OutputInfo::Kind::any) continue;
        emit_if(b, b.CreateICmpNE(arguments_.output(o), b.getInt64(0)), [&] {
          Value* word = b.CreateAtomicRMW(llvm::AtomicRMWInst::Xchg, global_pointer(any_address(o)), b.getInt32(0),
                                          llvm::MaybeAlign(4), llvm::AtomicOrdering::Monotonic,
                                          ptx::device_scope(b));
          store(word, arguments_.output(o), b.getInt64(0), nullptr);
        });
      }
    });
  });
}

}  // namespace gumtile::codegen
