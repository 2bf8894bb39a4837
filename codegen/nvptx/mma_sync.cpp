#include "codegen/common/control_flow.h"
#include "codegen/nvptx/main_loops.h"
#include "codegen/nvptx/ptx.h"
#include "plan/mma_atoms.h"

// Tensor cores through mma.sync, fed by a multistage cp.async pipeline that runs on across tiles, so that
// weights keep streaming while a tile's epilogue runs. A stage holds 128 bytes of K per row, first of the
// block's rows of the left operand, then of the tile's rows of the right one. The number of a 16-byte chunk
// in a row is xored with the row's number modulo 8, so that ldmatrix reads eight rows without bank conflicts.

namespace gumtile::codegen {

using llvm::Value;

namespace {

constexpr int kRowBytes = kMmaSyncRowBytes;
constexpr int kChunkBytes = 16;  // of a row: what ldmatrix reads from it at a time

class MmaSyncLoop {
 public:
  MmaSyncLoop(const KernelPlan& plan, OpEmitter& ops, const Arguments& arguments, GpuFrame& frame)
      : plan_(plan),
        contraction_(plan.program.contractions[plan.analysis->contraction]),
        b(ops.b),
        arguments_(arguments),
        frame_(frame),
        threads_(frame.threads()),
        schedule_(std::get<MmaSyncSchedule>(plan.schedule.family)),
        element_bytes_(static_cast<int>(size_bytes(plan.atom->right))),
        atom_k_bytes_(static_cast<int>(row_bytes(plan.atom->right, plan.atom->k))),
        stage_k_(kRowBytes / element_bytes_),
        steps_((plan.problem.contracted + stage_k_ - 1) / stage_k_),
        offsets_(member_offsets(plan.fragment.mask)) {}

  void emit() {
    frame_.begin();
    // The left operand, as staged into the workspace, or else the caller's rows in place.
    Value* staged = b.CreateICmpNE(arguments_.staged(), b.getInt64(0));
    left_ = b.CreateSelect(staged, arguments_.staged(), arguments_.input(contraction_.left));
    Value* own_stride = arguments_.input_stride(contraction_.left);
    left_stride_ =
        b.CreateSelect(staged, b.getInt64(static_cast<uint64_t>(plan_.launch.staged_stride)), own_stride);
    make_state();
    for (int i = 0; i + 1 < schedule_.stages; ++i) produce();
    Loop tiles(b, threads_.worker, i32(plan_.launch.units()), threads_.workers, "tile");
    for (llvm::AllocaInst* sum : sums_) b.CreateStore(llvm::ConstantFP::get(b.getFloatTy(), 0), sum);
    frame_.ask_reached(b.getTrue());
    Loop steps(b, b.getInt32(0), i32(steps_), 1, "step");
    ptx::wait_copies(b, schedule_.stages - 2);
    ptx::barrier(b);  // the stage has arrived for all threads, and all have read the one that is filled next
    produce();
    consume();
    steps.close();
    steps.keep_rolled();
    Value* first_column = b.CreateAdd(b.CreateMul(tiles.index(), i32(schedule_.block_vocab)),
                                      i32(plan_.launch.first_unit_column()));
    frame_.begin_tile(first_column);
    frame_.finish_tile([&](const Place& place) {
      // Rows 8 apart alternate between the halves of an m16 atom; a block's columns are eight n8 atoms.
      const int column = place.block * 64 + static_cast<int>(offsets_[static_cast<size_t>(place.member)]);
      return sum(place.row / 2, column / 8, (place.row % 2) * 2 + column % 2);
    });
    tiles.close();
    ptx::wait_copies(b, 0);
    frame_.end();
  }

 private:
  Value* i32(int64_t value) { return b.getInt32(static_cast<uint32_t>(value)); }
  int m_tiles() const { return plan_.fragment.rows / 2; }
  int n_tiles() const { return plan_.fragment.blocks * 8; }
  llvm::AllocaInst* sum(int m, int n, int i) {
    return sums_[static_cast<size_t>((m * n_tiles() + n) * 4 + i)];
  }

  void make_state() {
    Variables variables(b);
    sums_ = variables.make(b.getFloatTy(), static_cast<size_t>(m_tiles() * n_tiles() * 4));
    for (llvm::AllocaInst** variable : {&produce_tile_, &produce_step_, &produce_stage_, &consume_stage_}) {
      *variable = variables.make(b.getInt32Ty());
      b.CreateStore(variable == &produce_tile_ ? threads_.worker : b.getInt32(0), *variable);
    }
  }

  void advance_stage(llvm::AllocaInst* stage) {
    Value* next = b.CreateAdd(get(b, stage), b.getInt32(1));
    b.CreateStore(b.CreateSelect(b.CreateICmpEQ(next, i32(schedule_.stages)), b.getInt32(0), next), stage);
  }

  /// Starts the copies of the next stage, if there is one. Commits a group of copies in either case.
  void produce() {
    Value* tile = get(b, produce_tile_);
    emit_if(b, b.CreateICmpSLT(tile, i32(plan_.launch.units())), [&] {
      Value* k = b.CreateMul(get(b, produce_step_), i32(stage_k_));
      Value* stage = b.CreateMul(get(b, produce_stage_), i32(plan_.shared_stage));
      // The row of the weights, negative if the tile starts before the range.
      Value* first_column = b.CreateAdd(b.CreateMul(tile, i32(schedule_.block_vocab)),
                                        i32(plan_.launch.first_unit_column() - plan_.problem.first_column));
      copy_rows(left_, left_stride_, b.CreateTrunc(threads_.first_row, b.getInt32Ty()),
                b.CreateTrunc(b.CreateSub(arguments_.rows(), b.getInt64(1)), b.getInt32Ty()), k, stage,
                schedule_.block_rows, 16);
      copy_rows(arguments_.input(contraction_.right), arguments_.input_stride(contraction_.right),
                first_column, i32(plan_.problem.columns - 1), k,
                b.CreateAdd(stage, i32(schedule_.block_rows * kRowBytes)), schedule_.block_vocab,
                schedule_.copy_bytes);
    });
    ptx::commit_copies(b);
    advance_stage(produce_stage_);
    Value* step = b.CreateAdd(get(b, produce_step_), b.getInt32(1));
    Value* wraps = b.CreateICmpEQ(step, i32(steps_));
    b.CreateStore(b.CreateSelect(wraps, b.getInt32(0), step), produce_step_);
    b.CreateStore(b.CreateSelect(wraps, b.CreateAdd(tile, threads_.workers), tile), produce_tile_);
  }

  /// Copies a stage's elements from `k` on of `count` rows from `first` on into the stage at `shared`. Rows
  /// that do not exist repeat one that does.
  void copy_rows(Value* base, Value* stride, Value* first, Value* last, Value* k, Value* shared, int count,
                 int bytes) {
    Value* stride_bytes = b.CreateMul(stride, b.getInt64(static_cast<uint64_t>(element_bytes_)));
    const int chunks = count * (kRowBytes / kChunkBytes);
    for (int begin = 0; begin < chunks; begin += plan_.threads) {
      Value* index = b.CreateAdd(threads_.thread, i32(begin));
      Value* row = b.CreateLShr(index, 3);
      Value* chunk = b.CreateAnd(index, 7);
      auto copy = [&] {
        Value* from_row = b.CreateBinaryIntrinsic(llvm::Intrinsic::smin, b.CreateAdd(first, row), last);
        from_row = b.CreateBinaryIntrinsic(llvm::Intrinsic::smax, from_row, b.getInt32(0));
        Value* row_offset = b.CreateMul(b.CreateZExt(from_row, b.getInt64Ty()), stride_bytes);
        Value* element = b.CreateAdd(k, b.CreateMul(chunk, i32(kChunkBytes / element_bytes_)));
        Value* swizzled = b.CreateShl(b.CreateXor(chunk, b.CreateAnd(row, 7)), 4);
        Value* to = b.CreateAdd(shared, b.CreateAdd(b.CreateShl(row, 7), swizzled));
        for (int part = 0; part < kChunkBytes; part += bytes)
          copy_part(b.CreateAdd(base, row_offset), b.CreateAdd(element, i32(part / element_bytes_)),
                    b.CreateAdd(to, i32(part)), bytes);
      };
      if (begin + plan_.threads <= chunks)
        copy();
      else
        emit_if(b, b.CreateICmpSLT(index, i32(chunks)), copy);
    }
  }

  /// Copies `bytes` bytes at element `k` of a row; elements past the end of K are zero.
  void copy_part(Value* row_address, Value* k, Value* to, int bytes) {
    const bool whole = plan_.problem.contracted % stage_k_ == 0;
    Value* limit = i32(plan_.problem.contracted);
    Value* safe = whole ? k : b.CreateSelect(b.CreateICmpSLT(k, limit), k, b.getInt32(0));
    Value* offset =
        b.CreateMul(b.CreateZExt(safe, b.getInt64Ty()), b.getInt64(static_cast<uint64_t>(element_bytes_)));
    Value* from = b.CreateIntToPtr(b.CreateAdd(row_address, offset), b.getPtrTy(1));
    if (bytes < 4) {  // cp.async's smallest size
      const llvm::Align align(static_cast<uint64_t>(bytes));
      llvm::Type* type = b.getIntNTy(static_cast<unsigned>(8 * bytes));
      Value* loaded = b.CreateAlignedLoad(type, from, align);
      Value* value = b.CreateSelect(b.CreateICmpSLT(k, limit), loaded, llvm::ConstantInt::get(type, 0));
      b.CreateAlignedStore(value, frame_.shared().at(to), align);
      return;
    }
    Value* source_bytes = nullptr;
    if (!whole) {
      Value* rest = b.CreateMul(b.CreateSub(limit, k), i32(element_bytes_));
      rest = b.CreateBinaryIntrinsic(llvm::Intrinsic::smax, rest, b.getInt32(0));
      source_bytes = b.CreateBinaryIntrinsic(llvm::Intrinsic::smin, rest, i32(bytes));
    }
    ptx::copy_async(b, frame_.shared().at(to), from, bytes, source_bytes);
  }

  /// Multiplies the oldest stage into the accumulators.
  void consume() {
    Value* stage = b.CreateMul(get(b, consume_stage_), i32(plan_.shared_stage));
    Value* lane = threads_.lane;
    // A: lanes 0-15 address the rows of a 16 x 8 half, lanes 16-31 those of the other half of k.
    Value* a_row = b.CreateAdd(b.CreateMul(threads_.warp_m, i32(16 * m_tiles())), b.CreateAnd(lane, 15));
    Value* a_half = b.CreateLShr(lane, 4);
    // B: two n8 atoms at a time, both halves of k of the first, then of the second.
    Value* b_row = b.CreateAdd(b.CreateAnd(lane, 7), b.CreateShl(b.CreateLShr(lane, 4), 3));
    b_row = b.CreateAdd(b_row, b.CreateMul(threads_.warp_n, i32(8 * n_tiles())));
    Value* b_half = b.CreateAnd(b.CreateLShr(lane, 3), 1);
    Value* right = b.CreateAdd(stage, i32(schedule_.block_rows * kRowBytes));
    for (int step = 0; step < kRowBytes / atom_k_bytes_; ++step) {
      std::vector<std::array<Value*, 4>> a;
      for (int m = 0; m < m_tiles(); ++m) a.push_back(load_matrices(stage, a_row, 16 * m, a_half, step));
      for (int n = 0; n < n_tiles(); n += 2) {
        const std::array<Value*, 4> pair = load_matrices(right, b_row, 8 * n, b_half, step);
        for (int m = 0; m < m_tiles(); ++m) {
          multiply(a[static_cast<size_t>(m)], {pair[0], pair[1]}, m, n);
          multiply(a[static_cast<size_t>(m)], {pair[2], pair[3]}, m, n + 1);
        }
      }
    }
    advance_stage(consume_stage_);
  }

  std::array<Value*, 4> load_matrices(Value* base, Value* row, int row_offset, Value* half, int step) {
    Value* chunk =
        b.CreateXor(b.CreateAdd(half, i32(atom_k_bytes_ / kChunkBytes * step)), b.CreateAnd(row, 7));
    Value* offset = b.CreateAdd(b.CreateShl(row, 7), b.CreateShl(chunk, 4));
    return ptx::load_matrices(
        b, frame_.shared().at(b.CreateAdd(b.CreateAdd(base, offset), i32(row_offset * kRowBytes))));
  }

  void multiply(const std::array<Value*, 4>& a, const std::array<Value*, 2>& right, int m, int n) {
    std::array<Value*, 4> old{};
    for (int i = 0; i < 4; ++i) old[static_cast<size_t>(i)] = b.CreateLoad(b.getFloatTy(), sum(m, n, i));
    const std::array<Value*, 4> next = ptx::mma(b, *plan_.atom, a, right, old);
    for (int i = 0; i < 4; ++i) b.CreateStore(next[static_cast<size_t>(i)], sum(m, n, i));
  }

  const KernelPlan& plan_;
  const ContractionInfo& contraction_;
  llvm::IRBuilder<>& b;
  const Arguments& arguments_;
  GpuFrame& frame_;
  const ThreadGeometry& threads_;
  const MmaSyncSchedule& schedule_;
  const int element_bytes_;
  const int atom_k_bytes_;  ///< an atom's k, in either operand: two chunks
  const int stage_k_;       ///< elements of K in a stage
  const int64_t steps_;
  std::vector<uint32_t> offsets_;
  Value* left_ = nullptr;
  Value* left_stride_ = nullptr;
  std::vector<llvm::AllocaInst*> sums_;
  llvm::AllocaInst* produce_tile_ = nullptr;
  llvm::AllocaInst* produce_step_ = nullptr;
  llvm::AllocaInst* produce_stage_ = nullptr;
  llvm::AllocaInst* consume_stage_ = nullptr;
};

}  // namespace

void emit_mma_sync_loop(const KernelPlan& plan, OpEmitter& ops, const Arguments& arguments, GpuFrame& frame) {
  MmaSyncLoop(plan, ops, arguments, frame).emit();
}

}  // namespace gumtile::codegen
