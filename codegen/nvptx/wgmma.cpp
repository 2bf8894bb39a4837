#include "codegen/common/control_flow.h"
#include "codegen/nvptx/main_loops.h"
#include "codegen/nvptx/ptx.h"
#include "codegen/nvptx/ptx_hopper.h"
#include "plan/mma_atoms.h"

// Hopper's main loop. One warp, the producer, streams both operands by bulk tensor copies through a ring of
// shared-memory stages. Consumer warpgroups multiply the stages by wgmma as they arrive. Further warps
// compute the row table. The ring runs on across tiles, so that weights keep streaming while a tile's
// epilogue runs. A block takes a contiguous range of columns, counted in units of `columns_per_unit` columns;
// the last tile of a range may be shorter than the others. Consumers share each tile, or take whole tiles in
// turn.
//
// Tried, and not kept: starting the second of two warpgroups that share tiles 1 to 3 stages after the first,
// so that their epilogues do not coincide, gained less than 0.5% at 256 and 512 rows (H200, 151936 x 4096).
//
// A stage holds block_k elements of K, first of the block's rows of the left operand, then of the tile's rows
// of the right one. It is divided into slabs, in which a row takes 128 bytes, in the swizzle that TMA and
// wgmma share.

namespace gumtile::codegen {

using llvm::Value;

namespace {

constexpr int kRowBytes = abi::kBoxBytes;

/// The epilogue of a tile is prepared this many K steps before the tile's end: longer than a memory latency,
/// during which the tensor cores have work.
constexpr int kPrepareAhead = 4;

class WgmmaLoop {
 public:
  WgmmaLoop(const KernelPlan& plan, OpEmitter& ops, const Arguments& arguments, GpuFrame& frame,
            Value* left_map, Value* right_map)
      : plan_(plan),
        schedule_(std::get<WgmmaSchedule>(plan.schedule.family)),
        atom_(*plan.atom),
        slab_k_(kRowBytes / static_cast<int>(size_bytes(plan.atom->right))),
        b(ops.b),
        arguments_(arguments),
        frame_(frame),
        threads_(frame.threads()),
        left_map_(left_map),
        right_map_(right_map),
        slabs_(schedule_.block_k / slab_k_),
        steps_((plan.problem.contracted + schedule_.block_k - 1) / schedule_.block_k),
        m_tiles_(plan.fragment.rows / 2),
        unit_(plan.launch.columns_per_unit),
        units_per_tile_((schedule_.block_vocab + unit_ - 1) / unit_),
        offsets_(member_offsets(plan.fragment.mask)) {}

  void emit() {
    base_ = b.CreatePtrToInt(frame_.shared().at(0), b.getInt32Ty());
    if (clustered()) rank_ = ptx::cluster_rank(b);
    share_out_columns();
    make_state();
    Value* warp = ptx::broadcast(b, threads_.warp);
    Value* produces = b.CreateICmpEQ(warp, i32(plan_.consumers / 32));
    emit_if(b, produces, [&] {
      emit_if(b, ptx::elect(b), [&] { init_barriers(); });
      ptx::warp_barrier(b);
    });
    llvm::BasicBlock* consumer = new_block(b, "consumer");
    llvm::BasicBlock* helper = new_block(b, "helper");
    llvm::BasicBlock* done = new_block(b, "done");
    if (clustered())
      ptx::cluster_start(b);
    else
      ptx::barrier(b);
    b.CreateCondBr(b.CreateICmpULT(warp, i32(plan_.consumers / 32)), consumer, helper);

    b.SetInsertPoint(consumer);
    if (moves_registers()) ptx::set_registers(b, plan_.consumers == 256 ? 240 : 152, true);
    ptx::wait_for_previous_grid(b);
    frame_.begin_states();
    consume();
    ptx::launch_dependents(b);
    await_row_table();
    frame_.end();
    b.CreateBr(done);

    // The row table needs loads that depend on each other. Warps that have nothing else to do compute it
    // while the first copies are under way, before they give their registers away.
    b.SetInsertPoint(helper);
    llvm::BasicBlock* copies = new_block(b, "copies");
    llvm::BasicBlock* tabulates = new_block(b, "tabulates");
    llvm::BasicBlock* helped = new_block(b, "helped");
    b.CreateCondBr(produces, copies, tabulates);
    b.SetInsertPoint(copies);
    emit_if(b, ptx::elect(b), [&] { start_copies(); });
    ptx::warp_barrier(b);
    b.CreateBr(helped);
    b.SetInsertPoint(tabulates);
    ptx::wait_for_previous_grid(b);
    frame_.row_table().fill(b.CreateSub(threads_.thread, i32(plan_.consumers + 32)), table_threads());
    ptx::barrier_arrive(b, row_table_barrier());
    b.CreateBr(helped);
    b.SetInsertPoint(helped);
    if (moves_registers()) ptx::set_registers(b, plan_.consumers == 256 ? 24 : 40, false);
    emit_if(b, produces, [&] {
      emit_if(b, ptx::elect(b), [&] { produce(); });
      ptx::warp_barrier(b);
    });
    b.CreateBr(done);
    b.SetInsertPoint(done);
  }

 private:
  Value* i32(int64_t value) { return b.getInt32(static_cast<uint32_t>(value)); }
  /// Registers are divided evenly at a block's start. That is enough if there is one consumer warpgroup.
  bool moves_registers() const { return plan_.threads - plan_.consumers == 128; }
  bool clustered() const { return schedule_.cluster_m * schedule_.cluster_n > 1; }
  Value* full_barrier(Value* stage) {
    return b.CreateAdd(base_, b.CreateAdd(b.CreateShl(stage, 3), i32(plan_.shared_barriers)));
  }
  Value* row_table_barrier() { return full_barrier(i32(2 * schedule_.stages)); }
  /// The number of threads that compute the row table: all but the consumers and the producer's warp.
  int table_threads() const { return plan_.threads - plan_.consumers - 32; }
  void await_row_table() { ptx::barrier_wait(b, row_table_barrier(), i32(0)); }
  Value* empty_barrier(Value* stage) { return b.CreateAdd(full_barrier(stage), i32(8 * schedule_.stages)); }
  Value* stage_address(Value* stage) {
    return b.CreateAdd(base_, b.CreateMul(stage, i32(plan_.shared_stage)));
  }
  int right_offset() const { return schedule_.block_rows * kRowBytes * slabs_; }

  /// Computes the block's range of units: even shares, in the order of the blocks. If a cluster has two
  /// blocks along the columns, they halve a common share and run the same number of tiles.
  void share_out_columns() {
    Value* units = b.getInt64(static_cast<uint64_t>(plan_.launch.units()));
    const int together = schedule_.cluster_n;
    Value* share = b.CreateZExt(b.CreateUDiv(threads_.worker, i32(together)), b.getInt64Ty());
    Value* shares = b.CreateZExt(b.CreateUDiv(threads_.workers, i32(together)), b.getInt64Ty());
    auto bound = [&](Value* index) {
      return b.CreateTrunc(b.CreateUDiv(b.CreateMul(index, units), shares), b.getInt32Ty());
    };
    range_begin_ = bound(share);
    range_end_ = bound(b.CreateAdd(share, b.getInt64(1)));
    Value* length = b.CreateSub(range_end_, range_begin_);
    if (together == 2) {
      length = b.CreateLShr(b.CreateAdd(length, i32(1)), 1);
      Value* middle = b.CreateAdd(range_begin_, length);
      Value* first = b.CreateICmpEQ(b.CreateAnd(threads_.worker, 1), i32(0));
      Value* begin = b.CreateSelect(first, range_begin_, middle);
      range_end_ = b.CreateSelect(first, middle, range_end_);
      range_begin_ = begin;
    }
    tiles_ = b.CreateUDiv(b.CreateAdd(length, i32(units_per_tile_ - 1)), i32(units_per_tile_));
  }

  /// The tile's first unit, and how many it has (fewer than units_per_tile_ in the last tile of a range).
  Value* tile_begin(Value* tile) {
    return b.CreateAdd(range_begin_, b.CreateMul(tile, i32(units_per_tile_)));
  }
  Value* tile_units(Value* begin) {
    Value* rest = b.CreateSub(range_end_, begin);
    rest = b.CreateBinaryIntrinsic(llvm::Intrinsic::smax, rest, i32(0));
    return b.CreateBinaryIntrinsic(llvm::Intrinsic::smin, rest, i32(units_per_tile_));
  }

  void make_state() {
    Variables variables(b);
    for (llvm::AllocaInst** variable : {&stage_, &parity_, &tile_, &step_}) {
      *variable = variables.make(b.getInt32Ty());
      b.CreateStore(b.getInt32(0), *variable);
    }
    sums_ = variables.make(b.getFloatTy(), static_cast<size_t>(m_tiles_ * plan_.fragment.blocks * 32));
    for (llvm::AllocaInst* sum : sums_) b.CreateStore(llvm::ConstantFP::get(b.getFloatTy(), 0), sum);
  }

  void init_barriers() {
    ptx::prefetch_tensor_map(b, left_map_);
    ptx::prefetch_tensor_map(b, right_map_);
    const int readers = plan_.consumers / 32 / plan_.turns * schedule_.cluster_m * schedule_.cluster_n;
    for (int stage = 0; stage < schedule_.stages; ++stage) {
      ptx::barrier_init(b, full_barrier(i32(stage)), 1);
      ptx::barrier_init(b, empty_barrier(i32(stage)), readers);
    }
    ptx::barrier_init(b, row_table_barrier(), table_threads());
    if (takes_turns())
      for (int turn = 0; turn < plan_.turns; ++turn)
        ptx::barrier_init(b, turn_barrier(i32(turn)), plan_.consumers / plan_.turns / 32);
    ptx::fence_barrier_init(b);
  }

  void advance_stage() {
    Value* next = b.CreateAdd(get(b, stage_), b.getInt32(1));
    Value* wraps = b.CreateICmpEQ(next, i32(schedule_.stages));
    b.CreateStore(b.CreateSelect(wraps, b.getInt32(0), next), stage_);
    b.CreateStore(b.CreateXor(get(b, parity_), b.CreateZExt(wraps, b.getInt32Ty())), parity_);
  }

  /// Advances by a number of stages that is known when code is emitted.
  void skip_stages(int64_t count) {
    const int64_t rounds = count / schedule_.stages;
    Value* next = b.CreateAdd(get(b, stage_), i32(count % schedule_.stages));
    Value* wraps = b.CreateICmpUGE(next, i32(schedule_.stages));
    b.CreateStore(b.CreateSelect(wraps, b.CreateSub(next, i32(schedule_.stages)), next), stage_);
    Value* flips = b.CreateXor(b.CreateZExt(wraps, b.getInt32Ty()), i32(rounds % 2));
    b.CreateStore(b.CreateXor(get(b, parity_), flips), parity_);
  }

  // ---- producer: one thread ----

  Value* all_steps() { return b.CreateMul(tiles_, i32(steps_)); }

  void advance_step() {
    advance_stage();
    Value* step = b.CreateAdd(get(b, step_), b.getInt32(1));
    Value* wraps = b.CreateICmpEQ(step, i32(steps_));
    b.CreateStore(b.CreateSelect(wraps, b.getInt32(0), step), step_);
    b.CreateStore(b.CreateAdd(get(b, tile_), b.CreateZExt(wraps, b.getInt32Ty())), tile_);
  }

  void rewind() {
    for (llvm::AllocaInst* variable : {stage_, parity_, tile_, step_}) b.CreateStore(b.getInt32(0), variable);
  }

  /// Fills all stages for the first time, for which no consumer has to release them. If no earlier kernel
  /// writes the weights, their copies need not wait for one.
  void start_copies() {
    Value* count = b.CreateBinaryIntrinsic(llvm::Intrinsic::smin, all_steps(), i32(schedule_.stages));
    auto start = [&](const std::function<void()>& copy) {
      rewind();
      Loop loop(b, i32(0), count, 1, "start");
      copy();
      advance_step();
      loop.close();
      loop.keep_rolled();
    };
    Value* stable =
        b.CreateICmpNE(b.CreateAnd(arguments_.flags(), uint64_t{abi::launch_weights_stable}), b.getInt64(0));
    auto copy_weights = [&] {
      expect();
      copy_right();
    };
    emit_if(b, stable, [&] { start(copy_weights); });
    ptx::wait_for_previous_grid(b);
    start([&] {
      emit_if(b, b.CreateNot(stable), copy_weights);
      copy_left();
    });
  }

  void produce() {
    // Continues where start_copies stopped: its variables live on, except that the parity is that of the
    // first reuse.
    Value* count = b.CreateBinaryIntrinsic(llvm::Intrinsic::smin, all_steps(), i32(schedule_.stages));
    b.CreateStore(i32(0), parity_);
    Loop loop(b, count, all_steps(), 1, "produce");
    ptx::barrier_wait(b, empty_barrier(get(b, stage_)), get(b, parity_));
    expect();
    copy_right();
    copy_left();
    advance_step();
    loop.close();
    loop.keep_rolled();
  }

  /// The block's boxes of (up to) 64 rows of the left operand, and the rows per box.
  Value* left_boxes() {
    Value* rows = b.CreateSub(arguments_.rows(), threads_.first_row);
    Value* boxes = b.CreateAShr(b.CreateAdd(rows, b.getInt64(atom_.m - 1)), 6);
    boxes = b.CreateBinaryIntrinsic(llvm::Intrinsic::smax, boxes, b.getInt64(0));
    boxes = b.CreateBinaryIntrinsic(llvm::Intrinsic::smin, boxes,
                                    b.getInt64(static_cast<uint64_t>(schedule_.block_rows / atom_.m)));
    return b.CreateTrunc(boxes, b.getInt32Ty());
  }
  Value* left_box_rows() {
    return b.CreateTrunc(
        b.CreateBinaryIntrinsic(llvm::Intrinsic::smin, arguments_.rows(), b.getInt64(atom_.m)),
        b.getInt32Ty());
  }
  /// The current tile's boxes of the right operand per slab.
  Value* right_boxes() {
    return b.CreateMul(tile_units(tile_begin(get(b, tile_))), i32(unit_ / schedule_.box_rows));
  }

  void expect() {
    Value* left = b.CreateMul(left_boxes(), left_box_rows());
    Value* right = b.CreateMul(right_boxes(), i32(schedule_.box_rows));
    Value* bytes = b.CreateMul(b.CreateAdd(left, right), i32(kRowBytes * slabs_));
    ptx::barrier_expect(b, full_barrier(get(b, stage_)), bytes);
  }

  /// Copies box number `box` if it is one of the `boxes` boxes. In a cluster that shares the operand, the
  /// blocks take boxes alternately, beginning with the block of rank `first` modulo 2, and send them to both.
  void copy_box(bool left, int slab, int box, Value* boxes, Value* first, Value* row) {
    const bool shares = left ? schedule_.cluster_n > 1 : schedule_.cluster_m > 1;
    Value* wanted = b.CreateICmpSLT(i32(box), boxes);
    if (shares) {
      Value* whose = b.CreateAnd(b.CreateAdd(first, i32(box)), 1);
      wanted = b.CreateAnd(wanted, b.CreateICmpEQ(whose, rank_));
    }
    emit_if(b, wanted, [&] {
      const int rows = left ? atom_.m : schedule_.box_rows;
      const int slab_rows = left ? schedule_.block_rows : schedule_.block_vocab;
      const int offset = (left ? 0 : right_offset()) + (slab * slab_rows + box * rows) * kRowBytes;
      Value* to = b.CreateAdd(stage_address(get(b, stage_)), i32(offset));
      Value* k = b.CreateAdd(b.CreateMul(get(b, step_), i32(schedule_.block_k)), i32(slab * slab_k_));
      ptx::copy_tensor(b, to, left ? left_map_ : right_map_, k, b.CreateAdd(row, i32(box * rows)),
                       full_barrier(get(b, stage_)),
                       left ? ptx::L2Policy::evict_last : ptx::L2Policy::evict_first, shares ? 3 : 0);
    });
  }

  void copy_left() {
    Value* row = b.CreateTrunc(threads_.first_row, b.getInt32Ty());
    Value* boxes = left_boxes();
    for (int slab = 0; slab < slabs_; ++slab)
      for (int box = 0; box < schedule_.block_rows / atom_.m; ++box)
        copy_box(true, slab, box, boxes, b.CreateAdd(get(b, step_), i32(slab)), row);
  }

  void copy_right() {
    // The row is negative if the first tile starts before the range; the copy fills such rows with zeros.
    Value* column = b.CreateMul(tile_begin(get(b, tile_)), i32(unit_));
    Value* row = b.CreateAdd(column, i32(plan_.launch.first_unit_column() - plan_.problem.first_column));
    Value* boxes = right_boxes();
    for (int slab = 0; slab < slabs_; ++slab)
      for (int box = 0; box < schedule_.block_vocab / schedule_.box_rows; ++box)
        copy_box(false, slab, box, boxes, i32(slab), row);
  }

  // ---- consumers ----

  void consume() {
    rewind();
    group_m_ = ptx::broadcast(b, threads_.warp_m);
    group_n_ = ptx::broadcast(b, threads_.warp_n);
    if (takes_turns()) {
      emit_if(b, b.CreateICmpNE(threads_.turn, i32(0)), [&] {
        skip_stages(steps_);
        pass_turn();  // the other warpgroups have the first turn
      });
    }
    Loop tiles(b, threads_.turn, tiles_, plan_.turns, "tile");
    consumed_tile_ = tiles.index();
    Value* begin = tile_begin(consumed_tile_);
    Value* units = tile_units(begin);
    const int blocks = plan_.fragment.blocks;
    Value* present = b.CreateSub(b.CreateMul(units, i32(unit_ / 64)), b.CreateMul(group_n_, i32(blocks)));
    present = b.CreateBinaryIntrinsic(llvm::Intrinsic::smin, present, i32(blocks));
    frame_.begin_tile(b.CreateAdd(b.CreateMul(begin, i32(unit_)), i32(plan_.launch.first_unit_column())));
    // Each possible width of a tile has its own loop. Blocks of columns that do not exist are not multiplied,
    // except that a warpgroup without any blocks runs the narrowest loop to keep up with the others.
    const int narrowest = std::min(blocks, unit_ / 64);
    multiply_widths(present, blocks, narrowest);
    const bool always_whole = narrowest == blocks && plan_.warps_n == 1 && schedule_.cluster_n == 1;
    frame_.finish_tile(
        [&](const Place& place) {
          // Rows 8 apart alternate within an atom of 64 rows; a block's columns are eight groups of 8.
          const int column = place.block * 64 + static_cast<int>(offsets_[static_cast<size_t>(place.member)]);
          return sum(place.row / 2, column / 8 * 4 + place.row % 2 * 2 + column % 2);
        },
        always_whole ? nullptr : present, b.CreateICmpEQ(consumed_tile_, threads_.turn));
    if (takes_turns()) skip_stages(steps_);
    tiles.close();
    tiles.keep_rolled();
  }

  llvm::AllocaInst* sum(int m, int i) {
    return sums_[static_cast<size_t>(m * plan_.fragment.blocks * 32 + i)];
  }

  /// Emits `if (present >= width) multiply(width) else` the same for the next narrower width.
  void multiply_widths(Value* present, int width, int narrowest) {
    if (width == narrowest) {
      multiply(width);
      return;
    }
    llvm::BasicBlock* wide = new_block(b, "wide");
    llvm::BasicBlock* narrow = new_block(b, "narrow");
    llvm::BasicBlock* done = new_block(b, "multiplied");
    b.CreateCondBr(b.CreateICmpSGE(present, i32(width)), wide, narrow);
    b.SetInsertPoint(wide);
    multiply(width);
    b.CreateBr(done);
    b.SetInsertPoint(narrow);
    multiply_widths(present, width - narrowest, narrowest);
    b.CreateBr(done);
    b.SetInsertPoint(done);
  }

  std::vector<Value*> load_sums(int m, int count) {
    std::vector<Value*> values;
    for (int i = 0; i < count; ++i) values.push_back(get(b, sum(m, i)));
    return values;
  }
  void store_sums(int m, const std::vector<Value*>& values) {
    for (size_t i = 0; i < values.size(); ++i) b.CreateStore(values[i], sum(m, static_cast<int>(i)));
  }

  /// Multiplies all of K for a tile of `width` blocks of 64 columns per warpgroup.
  void multiply(int width) {
    const int count = width * 32;
    if (takes_turns()) await_turn();
    Loop steps(b, i32(0), i32(steps_), 1, "step");
    llvm::PHINode* previous = steps.carry(i32(0));
    Value* stage = get(b, stage_);
    ptx::barrier_wait(b, full_barrier(stage), get(b, parity_));
    Value* address = stage_address(stage);
    Value* left = b.CreateAdd(address, b.CreateMul(group_m_, i32(m_tiles_ * atom_.m * kRowBytes)));
    Value* right_first = b.CreateMul(group_n_, i32(plan_.fragment.blocks * 64 * kRowBytes));
    Value* right = b.CreateAdd(b.CreateAdd(address, i32(right_offset())), right_first);
    Value* left_descriptor = ptx::wgmma_descriptor(b, left);
    Value* right_descriptor = ptx::wgmma_descriptor(b, right);
    ptx::wgmma_fence(b);
    for (int slab = 0; slab < slabs_; ++slab)
      for (int k = 0; k < slab_k_ / atom_.k; ++k)
        for (int m = 0; m < m_tiles_; ++m) {
          const auto in_slab = static_cast<int>(row_bytes(atom_.right, k * atom_.k));
          const int left_bytes = (slab * schedule_.block_rows + m * atom_.m) * kRowBytes + in_slab;
          const int right_bytes = slab * schedule_.block_vocab * kRowBytes + in_slab;
          Value* accumulate = slab + k > 0 ? b.getTrue() : b.CreateICmpNE(steps.index(), i32(0));
          store_sums(m, ptx::wgmma(b, atom_, load_sums(m, count), offset(left_descriptor, left_bytes),
                                   offset(right_descriptor, right_bytes), accumulate));
        }
    ptx::wgmma_commit(b);
    ptx::wgmma_wait(b, 1);
    emit_if(b, b.CreateICmpNE(steps.index(), i32(0)), [&] { release(previous); });
    emit_if(b, b.CreateICmpEQ(steps.index(), i32(std::max<int64_t>(steps_ - kPrepareAhead, 0))), [&] {
      await_row_table();
      frame_.prepare_tile();
    });
    advance_stage();
    steps.set_next(previous, stage);
    steps.close();
    steps.keep_rolled();
    if (takes_turns()) pass_turn();
    std::vector<Value*> all;
    for (int m = 0; m < m_tiles_; ++m)
      for (Value* value : load_sums(m, count)) all.push_back(value);
    all = ptx::wgmma_wait_all(b, all);
    for (int m = 0; m < m_tiles_; ++m)
      store_sums(m, {all.begin() + m * count, all.begin() + (m + 1) * count});
    release(previous);
  }

  bool takes_turns() const { return plan_.turns > 1; }
  Value* turn_barrier(Value* turn) { return full_barrier(b.CreateAdd(turn, i32(2 * schedule_.stages + 1))); }
  /// Waits until the other consumers have started all products of their tile.
  void await_turn() {
    Value* parity = b.CreateAnd(b.CreateLShr(consumed_tile_, 1), 1);  // there are two turns
    ptx::barrier_wait(b, turn_barrier(threads_.turn), parity);
  }
  /// Lets the other consumers start the products of their next tile.
  void pass_turn() {
    emit_if(b, b.CreateICmpEQ(threads_.lane, i32(0)),
            [&] { ptx::barrier_arrive(b, turn_barrier(b.CreateXor(threads_.turn, i32(1)))); });
  }

  Value* offset(Value* descriptor, int bytes) {
    return b.CreateAdd(descriptor, b.getInt64(static_cast<uint64_t>(bytes / 16)));
  }

  /// Gives a stage back to the producers that fill it: one arrival per warp at each block of the cluster.
  void release(Value* stage) {
    if (!clustered()) {
      emit_if(b, b.CreateICmpEQ(threads_.lane, i32(0)),
              [&] { ptx::barrier_arrive(b, empty_barrier(stage)); });
      return;
    }
    emit_if(b, b.CreateICmpULT(threads_.lane, i32(2)),
            [&] { ptx::barrier_arrive_at(b, empty_barrier(stage), threads_.lane); });
  }

  const KernelPlan& plan_;
  const WgmmaSchedule& schedule_;
  const MmaAtom& atom_;
  const int slab_k_;  ///< elements of K in a slab
  llvm::IRBuilder<>& b;
  const Arguments& arguments_;
  GpuFrame& frame_;
  const ThreadGeometry& threads_;
  Value* left_map_;
  Value* right_map_;
  const int slabs_;
  const int64_t steps_;
  const int m_tiles_;
  const int unit_;  ///< columns per unit
  const int units_per_tile_;
  std::vector<uint32_t> offsets_;
  Value* base_ = nullptr;  ///< shared memory, i32
  Value* rank_ = nullptr;
  Value* range_begin_ = nullptr;  ///< in units
  Value* range_end_ = nullptr;
  Value* tiles_ = nullptr;
  Value* group_m_ = nullptr;  ///< the warpgroup's position along the rows, and along the columns
  Value* group_n_ = nullptr;
  std::vector<llvm::AllocaInst*> sums_;
  llvm::AllocaInst* stage_ = nullptr;
  llvm::AllocaInst* parity_ = nullptr;
  llvm::AllocaInst* tile_ = nullptr;
  llvm::AllocaInst* step_ = nullptr;
  Value* consumed_tile_ = nullptr;
};

}  // namespace

void emit_wgmma_loop(const KernelPlan& plan, OpEmitter& ops, const Arguments& arguments, GpuFrame& frame,
                     Value* left_map, Value* right_map) {
  WgmmaLoop(plan, ops, arguments, frame, left_map, right_map).emit();
}

}  // namespace gumtile::codegen
