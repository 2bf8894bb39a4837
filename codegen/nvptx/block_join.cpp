#include "codegen/nvptx/block_join.h"

#include "codegen/common/control_flow.h"
#include "codegen/common/row_emitter.h"
#include "codegen/nvptx/ptx.h"

// How the blocks of a launch join their states. Blocks that share rows count themselves in at a counter of
// those rows; the last one to arrive finishes the rows. No block ever waits for another. When the launch
// ends, the counters and words of the shared state are zeros again.
//
// Packed states are joined in one 64-bit word per row and reduction, by an atomic maximum or bitwise or, so
// that their order does not matter. Other states are written as records, one per row and block. If many
// blocks share rows, the last to arrive of each group of twelve neighbouring blocks first joins the group's
// records into one, so that a row's records are not all read by one block: on an H200 at 64 rows, reading 132
// records per row in the last block took 40 us. Records are always joined in the order of the blocks.

namespace gumtile::codegen {

using llvm::Value;

namespace {

constexpr uint64_t kHeaderBytes = abi::kStateHeaderBytes;
constexpr uint64_t kGroupBytes = abi::kGroupCounterBytes;
constexpr int kGroup = 12;  // blocks: three records per lane of a quad (the four lanes that share a row)
constexpr int kQuad = 4;
constexpr uint32_t kOrderedMinusInfinity = 0x007fffff;

/// The bits of a float, mapped so that they compare as unsigned integers as the floats do. Both zeros map to
/// the same bits.
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

bool BlockJoin::finishes() const {
  for (const OutputInfo& output : plan_.program.outputs)
    if (output.kind != OutputInfo::Kind::tile) return true;
  return false;
}

void BlockJoin::barrier() {
  if (plan_.consumers == plan_.threads)
    ptx::barrier(b);
  else
    ptx::barrier_of(b, 1, plan_.consumers);
}

/// The address (i64) of a row's word for a reduction. With records, only the bounded reduction has a word.
Value* BlockJoin::state_address(size_t reduction, Value* row) {
  if (plan_.join == Join::records) reduction = 0;
  Value* counters =
      b.CreateAnd(b.CreateAdd(b.CreateShl(arguments_.rows(), 2), b.getInt64(abi::kRowCounterAlignment - 1)),
                  b.getInt64(~uint64_t{abi::kRowCounterAlignment - 1}));  // abi::row_counters_bytes
  Value* words = b.CreateAdd(b.CreateMul(arguments_.rows(), b.getInt64(reduction)), row);
  Value* offset =
      b.CreateAdd(b.CreateAdd(counters, b.getInt64(kHeaderBytes + kGroupBytes)), b.CreateShl(words, 3));
  return b.CreateAdd(arguments_.shared_state(), offset);
}

/// The number of an `any` output among the `any` outputs.
int BlockJoin::any_number(size_t output) const {
  int number = 0;
  for (size_t o = 0; o < output; ++o) number += plan_.program.outputs[o].kind == OutputInfo::Kind::any;
  return number;
}

/// The word of shared memory in which the block's rows collect an `any` output.
Value* BlockJoin::any_word(size_t output) {
  return shared_.at(plan_.shared_exchange + 4 * (1 + any_number(output)));
}

/// The word of the shared state in which blocks of rows collect it.
Value* BlockJoin::any_state(size_t output) {
  return b.CreateAdd(arguments_.shared_state(),
                     b.getInt64(static_cast<uint64_t>(4 * (1 + any_number(output)))));
}

void BlockJoin::begin() {
  if (bounded_ == states_.count()) return;
  for (int i = 0; i < plan_.fragment.rows; ++i) {
    reached_.push_back(Variables(b).make(b.getInt32Ty()));
    b.CreateStore(b.getInt32(0), reached_.back());
  }
}

void BlockJoin::ask_reached(Value* when) {
  for (size_t i = 0; i < reached_.size(); ++i) {
    // Opaque, so that addresses are not kept in registers from one call to the next.
    Value* local = ptx::opaque(b, threads_.local_row(static_cast<int>(i)));
    Value* row = threads_.existing_row(local);
    // The upper half of the packed word is the ordered key.
    Value* address = b.CreateAdd(state_address(bounded_, row), b.getInt64(4));
    Value* old = b.CreateLoad(b.getInt32Ty(), reached_[i]);
    b.CreateStore(ptx::load_relaxed_if(b, when, address, old), reached_[i]);
  }
}

Value* BlockJoin::reached_elsewhere(NodeId reduction, int row) {
  if (reached_.empty() || states_.node(bounded_) != reduction) return nullptr;
  Value* word = b.CreateLoad(b.getInt32Ty(), reached_[static_cast<size_t>(row)]);
  word = b.CreateBinaryIntrinsic(llvm::Intrinsic::umax, word, b.getInt32(kOrderedMinusInfinity));
  return from_ordered(b, word);
}

/// Joins a key, and if states are packed its index, into the row's word if `wanted`.
void BlockJoin::push_key(size_t reduction, Value* wanted, Value* ordered_key, std::span<Value* const> state,
                         Value* row) {
  emit_if(b, wanted, [&] {
    Value* packed = b.CreateShl(b.CreateZExt(ordered_key, b.getInt64Ty()), 32);
    if (plan_.join == Join::packed)
      packed = b.CreateOr(packed, b.CreateZExt(b.CreateNot(state[1]), b.getInt64Ty()));
    b.CreateAtomicRMW(llvm::AtomicRMWInst::UMax, global_pointer(b, state_address(reduction, row)), packed,
                      llvm::MaybeAlign(8), llvm::AtomicOrdering::Monotonic, ptx::device_scope(b));
  });
}

/// Publishes what the chosen row has reached. Only for a reduction with a bound.
void BlockJoin::push_chosen(Value* wanted, std::span<Value* const> state, Value* local_row) {
  Value* key = ordered(b, state[0]);
  push_key(bounded_, wanted, key, state, threads_.existing_row(local_row));
}

/// Joins a lane's states of a row into the packed words. Before the end, only progress of the bounded
/// reduction is worth an atomic operation.
void BlockJoin::push(const StateValues& states, int row, bool at_end) {
  Value* active = table_.active(threads_.local_row(row));
  Value* index = threads_.existing_row(threads_.local_row(row));
  for (size_t r = 0; r < states.size(); ++r) {
    if (!at_end && r != bounded_) continue;
    const ReductionInfo& reduction = states_.reduction(r);
    if (r != bounded_ && reduction.kind == ReductionKind::bit_or) {
      Value* bits = states[r][0];
      emit_if(b, b.CreateAnd(active, b.CreateICmpNE(bits, b.getInt32(0))), [&] {
        b.CreateAtomicRMW(llvm::AtomicRMWInst::Or, global_pointer(b, state_address(r, index)),
                          b.CreateZExt(bits, b.getInt64Ty()), llvm::MaybeAlign(8),
                          llvm::AtomicOrdering::Monotonic, ptx::device_scope(b));
      });
      continue;
    }
    Value* key = ordered(b, states[r][0]);
    Value* wanted = b.CreateAnd(active, b.CreateFCmpORD(states[r][0], states[r][0]));
    if (r == bounded_) {
      // A key that equals the best of the other blocks may still win by its index.
      Value* reached = b.CreateLoad(b.getInt32Ty(), reached_[static_cast<size_t>(row)]);
      wanted = b.CreateAnd(wanted, at_end ? b.CreateICmpUGE(key, reached) : b.CreateICmpUGT(key, reached));
    }
    push_key(r, wanted, key, states[r], index);
    if (r == bounded_) {
      llvm::AllocaInst* reached = reached_[static_cast<size_t>(row)];
      Value* best =
          b.CreateBinaryIntrinsic(llvm::Intrinsic::umax, b.CreateLoad(b.getInt32Ty(), reached), key);
      if (!at_end)
        b.CreateStore(b.CreateSelect(wanted, best, b.CreateLoad(b.getInt32Ty(), reached)), reached);
    }
  }
}

/// Joins the states of the four lanes that hold columns of one row; all of them get the result.
StateValues BlockJoin::join_quad(const StateValues& states) {
  StateValues joined = states;
  for (int bit : {1, 2}) {
    // Both lanes of a pair combine in the same order, so that they get the same bits.
    Value* upper = b.CreateICmpNE(b.CreateAnd(threads_.lane, static_cast<uint64_t>(bit)), b.getInt32(0));
    std::vector<Value*> left;
    std::vector<Value*> right;
    for (Value* word : states_.to_words(joined)) {
      Value* other = ptx::shuffle_xor(b, word, bit);
      left.push_back(b.CreateSelect(upper, other, word));
      right.push_back(b.CreateSelect(upper, word, other));
    }
    joined = states_.combine(states_.from_words(left), states_.from_words(right));
  }
  return joined;
}

/// Joins the warps that share rows through shared memory, then writes the block's records.
void BlockJoin::write_records(const std::vector<StateValues>& states) {
  const auto words_per_row = static_cast<uint32_t>(4 * plan_.record_words);
  Value* writes = b.CreateICmpEQ(b.CreateAnd(threads_.lane, 3), b.getInt32(0));
  Value* among_warps = b.CreateAdd(
      b.CreateMul(threads_.turn, b.getInt32(static_cast<uint32_t>(plan_.warps_n))), threads_.warp_n);
  Value* warp_base = b.CreateMul(among_warps, b.getInt32(static_cast<uint32_t>(plan_.launch.rows_per_block)));
  for (int i = 0; i < plan_.fragment.rows; ++i) {
    const std::vector<Value*> words = states_.to_words(states[static_cast<size_t>(i)]);
    Value* base = b.CreateMul(b.CreateAdd(warp_base, threads_.local_row(i)), b.getInt32(words_per_row));
    emit_if(b, writes, [&] {
      for (size_t w = 0; w < words.size(); ++w) {
        const auto offset = static_cast<uint32_t>(plan_.shared_exchange) + 4 * static_cast<uint32_t>(w);
        b.CreateAlignedStore(words[w], shared_.at(b.CreateAdd(base, b.getInt32(offset))), llvm::Align(4));
      }
    });
  }
  barrier();
  for_each_thread(b, threads_.thread, plan_.launch.rows_per_block, plan_.consumers, [&](Value* local) {
    StateValues joined;
    for (int warp = 0; warp < plan_.turns * plan_.warps_n; ++warp) {
      Value* at = b.CreateAdd(local, b.getInt32(static_cast<uint32_t>(warp * plan_.launch.rows_per_block)));
      Value* base = b.CreateMul(at, b.getInt32(words_per_row));
      std::vector<Value*> words;
      for (int w = 0; w < plan_.record_words; ++w) {
        const auto offset = static_cast<uint32_t>(plan_.shared_exchange + 4 * w);
        words.push_back(b.CreateAlignedLoad(b.getInt32Ty(), shared_.at(b.CreateAdd(base, b.getInt32(offset))),
                                            llvm::Align(4)));
      }
      const StateValues next = states_.from_words(words);
      joined = warp == 0 ? next : states_.combine(joined, next);
    }
    Value* global_row = threads_.global_row(local);
    emit_if(b, b.CreateICmpSLT(global_row, arguments_.rows()),
            [&] { write_record(joined, global_row, threads_.worker); });
  });
}

void BlockJoin::end(std::span<const RowStates> rows) {
  if (!finishes()) return;
  std::vector<StateValues> states;
  for (const RowStates& row : rows) states.push_back(join_quad(states_.load(row)));
  if (plan_.join == Join::records) {
    write_records(states);
  } else {
    emit_if(b, b.CreateICmpEQ(b.CreateAnd(threads_.lane, 3), b.getInt32(0)), [&] {
      for (int i = 0; i < plan_.fragment.rows; ++i) push(states[static_cast<size_t>(i)], i, true);
    });
  }
  Value* row_block = b.CreateZExt(ptx::block_index_y(b), b.getInt64Ty());
  Value* rows_counter =
      b.CreateAdd(arguments_.shared_state(),
                  b.CreateAdd(b.getInt64(kHeaderBytes + kGroupBytes), b.CreateShl(row_block, 2)));
  if (plan_.join == Join::packed) {
    emit_if(b, arrive(rows_counter, threads_.workers), [&] { finish_block(nullptr, nullptr, nullptr); });
    return;
  }
  auto i32 = [&](int value) { return b.getInt32(static_cast<uint32_t>(value)); };
  Value* groups = b.CreateUDiv(b.CreateAdd(threads_.workers, i32(kGroup - 1)), i32(kGroup));
  Value* group = b.CreateUDiv(threads_.worker, i32(kGroup));
  Value* first = b.CreateMul(group, i32(kGroup));
  Value* size =
      b.CreateBinaryIntrinsic(llvm::Intrinsic::smin, b.CreateSub(threads_.workers, first), i32(kGroup));
  Value* number = b.CreateAdd(b.CreateMul(row_block, b.CreateZExt(groups, b.getInt64Ty())),
                              b.CreateZExt(group, b.getInt64Ty()));
  Value* only = b.CreateICmpEQ(groups, i32(1));
  Value* group_counter =
      b.CreateAdd(arguments_.shared_state(), b.CreateAdd(b.getInt64(kHeaderBytes), b.CreateShl(number, 2)));
  // With one group, there is nothing to join before the finish.
  llvm::BasicBlock* one_group = new_block(b, "one_group");
  llvm::BasicBlock* many_groups = new_block(b, "many_groups");
  llvm::BasicBlock* finish = new_block(b, "finish_rows");
  llvm::BasicBlock* done = new_block(b, "joined");
  b.CreateCondBr(only, one_group, many_groups);
  b.SetInsertPoint(one_group);
  Value* last_of_one = arrive(rows_counter, threads_.workers);
  one_group = b.GetInsertBlock();
  b.CreateCondBr(last_of_one, finish, done);
  b.SetInsertPoint(many_groups);
  llvm::BasicBlock* join = new_block(b, "join_group");
  b.CreateCondBr(arrive(group_counter, size), join, done);
  b.SetInsertPoint(join);
  for_each_row([&](Value* local, Value* row) {
    const StateValues joined_group = join_records(row, first, i32(1), size);
    emit_if(b, owns_row(local), [&] { write_record(joined_group, row, first); });
  });
  Value* last_group = arrive(rows_counter, groups);
  auto* joined = b.GetInsertBlock();
  b.CreateCondBr(last_group, finish, done);
  b.SetInsertPoint(finish);
  auto choose = [&](Value* one, Value* many) {
    llvm::PHINode* phi = b.CreatePHI(one->getType(), 2);
    phi->addIncoming(one, one_group);
    phi->addIncoming(many, joined);
    return phi;
  };
  Value* step = choose(i32(1), i32(kGroup));
  Value* count = choose(threads_.workers, groups);
  finish_block(i32(0), step, count);
  b.CreateBr(done);
  b.SetInsertPoint(done);
}

/// Counts the block in, after all writes of its threads. Returns whether it is the last of `expected`; if so,
/// the counter is zero again, and what the others wrote can be read.
Value* BlockJoin::arrive(Value* counter, Value* expected) {
  barrier();
  Value* flag = shared_.at(plan_.shared_exchange);
  emit_if(b, b.CreateICmpEQ(threads_.thread, b.getInt32(0)), [&] {
    Value* before = ptx::count_in(b, counter);
    Value* last = b.CreateICmpEQ(b.CreateAdd(before, b.getInt32(1)), expected);
    for (size_t o = 0; o < plan_.program.outputs.size(); ++o)
      if (plan_.program.outputs[o].kind == OutputInfo::Kind::any)
        b.CreateAlignedStore(b.getInt32(0), any_word(o), llvm::Align(4));
    emit_if(b, last,
            [&] { b.CreateAlignedStore(b.getInt32(0), global_pointer(b, counter), llvm::Align(4)); });
    b.CreateAlignedStore(b.CreateZExt(last, b.getInt32Ty()), flag, llvm::Align(4));
  });
  barrier();
  Value* last = b.CreateICmpNE(b.CreateAlignedLoad(b.getInt32Ty(), flag, llvm::Align(4)), b.getInt32(0));
  return last;
}

/// Emits a loop in which each quad of lanes takes one row at a time. `local` is the row's number in the
/// block. Rows that do not exist repeat the last one.
void BlockJoin::for_each_row(const std::function<void(Value* local, Value* row)>& body) {
  Loop rows(b, b.CreateLShr(threads_.thread, 2),
            b.getInt32(static_cast<uint32_t>(plan_.launch.rows_per_block)), plan_.consumers / kQuad, "row");
  body(rows.index(), threads_.existing_row(rows.index()));
  rows.close();
  rows.keep_rolled();
}

/// Whether the lane is the one of its quad that writes, and the row is not a repeated one.
Value* BlockJoin::owns_row(Value* local) {
  Value* exists = b.CreateICmpSLT(threads_.global_row(local), arguments_.rows());
  return b.CreateAnd(exists, b.CreateICmpEQ(b.CreateAnd(threads_.lane, 3), b.getInt32(0)));
}

/// Finishes the block's rows; run by all consumers (the threads that hold fragments) of the last block to
/// arrive. With records, there are `count` of them from `first` on, `step` apart.
void BlockJoin::finish_block(Value* first, Value* step, Value* count) {
  if (plan_.join == Join::records) {
    for_each_row([&](Value* local, Value* row) {
      const StateValues states = join_records(row, first, step, count);
      emit_if(b, owns_row(local), [&] {
        if (bounded_ < states.size())
          b.CreateAlignedStore(b.getInt64(0), global_pointer(b, state_address(0, row)), llvm::Align(8));
        finish_row(states, local, row);
      });
    });
  } else {
    for_each_thread(b, threads_.thread, plan_.launch.rows_per_block, plan_.consumers, [&](Value* local) {
      Value* row = threads_.global_row(local);
      emit_if(b, b.CreateICmpSLT(row, arguments_.rows()), [&] { finish_row(take_packed(row), local, row); });
    });
  }
  publish_any_outputs();
}

/// A quad joins records of a row. Each lane loads three at a time, so that their latencies overlap.
StateValues BlockJoin::join_records(Value* row, Value* first, Value* step, Value* count) {
  const RowStates states = states_.make();
  states_.store(states, states_.identity());
  Value* quad_lane = b.CreateAnd(threads_.lane, 3);
  Loop loop(b, b.getInt32(0), count, kGroup, "record");
  std::vector<StateValues> records;
  for (int i = 0; i < kGroup / kQuad; ++i) {
    Value* index =
        b.CreateAdd(b.CreateAdd(loop.index(), quad_lane), b.getInt32(static_cast<uint32_t>(i * kQuad)));
    Value* exists = b.CreateICmpSLT(index, count);
    Value* at = b.CreateAdd(first, b.CreateMul(b.CreateSelect(exists, index, b.getInt32(0)), step));
    std::vector<Value*> words;
    for (int w = 0; w < plan_.record_words; ++w) {
      Value* word = record_index(b, arguments_, plan_.record_words, row, w, b.CreateZExt(at, b.getInt64Ty()));
      words.push_back(ptx::load_fresh(b, global_element(b, 4, arguments_.records(), word)));
    }
    const std::vector<Value*> none = states_.to_words(states_.identity());
    for (size_t w = 0; w < words.size(); ++w) words[w] = b.CreateSelect(exists, words[w], none[w]);
    records.push_back(states_.from_words(words));
  }
  StateValues joined = states_.load(states);
  for (const StateValues& record : records) joined = states_.combine(joined, record);
  states_.store(states, joined);
  loop.close();
  loop.keep_rolled();
  return join_quad(states_.load(states));
}

void BlockJoin::write_record(const StateValues& states, Value* row, Value* worker) {
  const std::vector<Value*> words = states_.to_words(states);
  for (size_t w = 0; w < words.size(); ++w)
    memory_.store(words[w], arguments_.records(),
                  record_index(b, arguments_, plan_.record_words, row, static_cast<int>(w),
                               b.CreateZExt(worker, b.getInt64Ty())),
                  nullptr);
}

/// Reads a row's packed states and clears them.
StateValues BlockJoin::take_packed(Value* row) {
  StateValues states;
  std::vector<Value*> words;
  for (size_t r = 0; r < states_.count(); ++r) {
    Value* at = global_pointer(b, state_address(r, row));
    llvm::LoadInst* load = b.CreateAlignedLoad(b.getInt64Ty(), at, llvm::Align(8));
    load->setAtomic(llvm::AtomicOrdering::Monotonic, ptx::device_scope(b));
    words.push_back(load);
  }
  for (size_t r = 0; r < words.size(); ++r) {
    b.CreateAlignedStore(b.getInt64(0), global_pointer(b, state_address(r, row)), llvm::Align(8));
    Value* low = b.CreateTrunc(words[r], b.getInt32Ty());
    const ReductionInfo& reduction = states_.reduction(r);
    if (reduction.kind == ReductionKind::bit_or) {
      states.push_back({low});
      continue;
    }
    Value* high = b.CreateTrunc(b.CreateLShr(words[r], 32), b.getInt32Ty());
    high = b.CreateBinaryIntrinsic(llvm::Intrinsic::umax, high, b.getInt32(kOrderedMinusInfinity));
    states.push_back({from_ordered(b, high), b.CreateNot(low)});
  }
  return states;
}

namespace {

/// What finalizers read of a row: its finished reductions, and the row table.
class FinishedRow : public GpuSource {
 public:
  FinishedRow(OpEmitter& ops, const Arguments& arguments, RowTable& table, Value* local)
      : GpuSource(ops, arguments), table_(table), local_(local) {}

  Value* row_value(NodeId node, size_t which, int) override {
    const auto found = finished.find({node, which});
    return found != finished.end() ? found->second : table_.value(node, local_);
  }

  std::map<std::pair<NodeId, size_t>, Value*> finished;

 private:
  RowTable& table_;
  Value* local_;
};

}  // namespace

void BlockJoin::finish_row(const StateValues& states, Value* local, Value* row) {
  FinishedRow source(ops_, arguments_, table_, local);
  source.current_row = row;
  for (size_t r = 0; r < states.size(); ++r)
    for (size_t i = 0; i < states[r].size(); ++i) source.finished[{states_.node(r), i}] = states[r][i];
  emit_finish_row(plan_, ops_, source, true, [&](size_t o) {
    if (plan_.program.outputs[o].kind != OutputInfo::Kind::any) return arguments_.output(o);
    Value* generic = b.CreateAddrSpaceCast(any_word(o), b.getPtrTy());
    Value* wanted = b.CreateICmpNE(arguments_.output(o), b.getInt64(0));
    return b.CreateSelect(wanted, b.CreatePtrToInt(generic, b.getInt64Ty()), b.getInt64(0));
  });
}

/// Writes the `any` outputs: with a single block of rows directly, otherwise by the last of the blocks of
/// rows, from what all of them collected.
void BlockJoin::publish_any_outputs() {
  std::vector<size_t> outputs;
  for (size_t o = 0; o < plan_.program.outputs.size(); ++o)
    if (plan_.program.outputs[o].kind == OutputInfo::Kind::any) outputs.push_back(o);
  if (outputs.empty()) return;
  auto publish = [&](size_t o, Value* word) {
    emit_if(b, b.CreateICmpNE(arguments_.output(o), b.getInt64(0)),
            [&] { memory_.store(word, arguments_.output(o), b.getInt64(0), nullptr); });
  };
  auto collected = [&](size_t o) { return b.CreateAlignedLoad(b.getInt32Ty(), any_word(o), llvm::Align(4)); };
  Value* wanted = b.getFalse();
  for (size_t o : outputs) wanted = b.CreateOr(wanted, b.CreateICmpNE(arguments_.output(o), b.getInt64(0)));
  emit_if(b, wanted, [&] {
    barrier();
    Value* first = b.CreateICmpEQ(threads_.thread, b.getInt32(0));
    Value* row_blocks = ptx::grid_size_y(b);
    Value* alone = b.CreateICmpEQ(row_blocks, b.getInt32(1));
    emit_if(b, b.CreateAnd(first, alone), [&] {
      for (size_t o : outputs) publish(o, collected(o));
    });
    emit_if(b, b.CreateAnd(first, b.CreateNot(alone)), [&] {
      for (size_t o : outputs) {
        Value* word = collected(o);
        emit_if(b, b.CreateICmpNE(word, b.getInt32(0)), [&] {
          b.CreateAtomicRMW(llvm::AtomicRMWInst::Or, global_pointer(b, any_state(o)), word,
                            llvm::MaybeAlign(4), llvm::AtomicOrdering::Monotonic, ptx::device_scope(b));
        });
      }
      Value* before = ptx::count_in(b, arguments_.shared_state());
      emit_if(b, b.CreateICmpEQ(b.CreateAdd(before, b.getInt32(1)), row_blocks), [&] {
        b.CreateAlignedStore(b.getInt32(0), global_pointer(b, arguments_.shared_state()), llvm::Align(4));
        for (size_t o : outputs) {
          Value* word = ptx::load_fresh(b, global_pointer(b, any_state(o)));
          b.CreateAlignedStore(b.getInt32(0), global_pointer(b, any_state(o)), llvm::Align(4));
          publish(o, word);
        }
      });
    });
  });
}

}  // namespace gumtile::codegen
