#include "codegen/common/control_flow.h"
#include "codegen/nvptx/main_loops.h"
#include "codegen/nvptx/ptx.h"

// The plain loop: both operands are widened to f32 in shared memory, element by element, and multiplied with
// FMAs. There are four warps of 64 columns; every thread holds 16 columns of block_rows / 8 rows.

namespace gumtile::codegen {

using llvm::Value;

namespace {

class SimtLoop {
 public:
  SimtLoop(const KernelPlan& plan, OpEmitter& ops, const Arguments& arguments, GpuFrame& frame)
      : plan_(plan),
        analysis_(*plan.analysis),
        ops_(ops),
        b(ops.b),
        arguments_(arguments),
        frame_(frame),
        threads_(frame.threads()),
        schedule_(std::get<SimtSchedule>(plan.schedule.family)),
        offsets_(member_offsets(plan.fragment.mask)) {}

  void emit() {
    frame_.begin();
    find_left();
    Value* tiles = b.getInt32(static_cast<uint32_t>(plan_.launch.units()));
    std::vector<llvm::AllocaInst*> sums;
    if (analysis_.contraction != kNone)
      sums = Variables(b).make(b.getFloatTy(), static_cast<size_t>(plan_.fragment.rows) * offsets_.size());
    Loop loop(b, threads_.worker, tiles, threads_.workers, "tile");
    Value* first_column = b.CreateAdd(b.CreateMul(loop.index(), i32(schedule_.block_vocab)),
                                      i32(static_cast<int>(plan_.launch.first_unit_column())));
    frame_.ask_reached(b.getTrue());
    if (analysis_.contraction != kNone) contract(first_column, sums);
    frame_.begin_tile(first_column);
    frame_.finish_tile([&](const Place& place) {
      return sums[static_cast<size_t>(place.row) * offsets_.size() + static_cast<size_t>(place.member)];
    });
    loop.close();
    frame_.end();
  }

 private:
  Value* i32(int value) { return b.getInt32(static_cast<uint32_t>(value)); }
  int pitch() const { return plan_.shared_pitch / 4; }

  /// The left operand: the caller's rows in place, or as gathered into the workspace, with the same type.
  void find_left() {
    if (analysis_.contraction == kNone) return;
    const ContractionInfo& c = plan_.program.contractions[analysis_.contraction];
    left_ = arguments_.input(c.left);
    left_stride_ = arguments_.input_stride(c.left);
    if (!plan_.stages_left) return;
    Value* staged = b.CreateICmpNE(arguments_.staged(), b.getInt64(0));
    left_ = b.CreateSelect(staged, arguments_.staged(), left_);
    left_stride_ =
        b.CreateSelect(staged, b.getInt64(static_cast<uint64_t>(plan_.launch.staged_stride)), left_stride_);
  }

  void contract(Value* tile_column, const std::vector<llvm::AllocaInst*>& sums) {
    const ContractionInfo& c = plan_.program.contractions[analysis_.contraction];
    for (llvm::AllocaInst* sum : sums) b.CreateStore(llvm::ConstantFP::get(b.getFloatTy(), 0), sum);
    // The row of the weights, negative if the tile starts before the range.
    Value* first_column = b.CreateSub(b.CreateZExt(tile_column, b.getInt64Ty()),
                                      b.getInt64(static_cast<uint64_t>(plan_.problem.first_column)));
    Value* last_column = b.getInt64(static_cast<uint64_t>(plan_.problem.columns - 1));
    Value* last_row = b.CreateSub(arguments_.rows(), b.getInt64(1));
    Loop steps(b, b.getInt64(0), b.getInt64(static_cast<uint64_t>(plan_.problem.contracted)),
               schedule_.block_k, "k");
    ptx::barrier(b);  // the previous step's readers are done
    fill(c.left, left_, left_stride_, threads_.first_row, last_row, steps.index(), 0, schedule_.block_rows);
    fill(c.right, arguments_.input(c.right), arguments_.input_stride(c.right), first_column, last_column,
         steps.index(), schedule_.block_rows, schedule_.block_vocab);
    ptx::barrier(b);
    multiply(sums);
    steps.close();
  }

  /// Copies rows first .. first + count of an input into shared rows from `shared_row` on. Rows that do not
  /// exist repeat one that does; elements past the end are zero.
  void fill(uint32_t input, Value* address, Value* stride, Value* first, Value* last, Value* k_first,
            int shared_row, int count) {
    const DType operand = plan_.program.contractions[analysis_.contraction].operand_dtype;
    const DType dtype = plan_.program.inputs[input].dtype;
    for_each_thread(b, threads_.thread, count * schedule_.block_k, plan_.threads, [&](Value* index) {
      Value* k_local = b.CreateURem(index, i32(schedule_.block_k));
      Value* local = b.CreateUDiv(index, i32(schedule_.block_k));
      Value* row = b.CreateAdd(first, b.CreateZExt(local, b.getInt64Ty()));
      row = b.CreateBinaryIntrinsic(llvm::Intrinsic::smin, row, last);
      if (plan_.problem.first_column != 0)
        row = b.CreateBinaryIntrinsic(llvm::Intrinsic::smax, row, b.getInt64(0));
      Value* k = b.CreateAdd(k_first, b.CreateZExt(k_local, b.getInt64Ty()));
      Value* exists = b.CreateICmpSLT(k, b.getInt64(static_cast<uint64_t>(plan_.problem.contracted)));
      Value* at = b.CreateAdd(b.CreateMul(row, stride), b.CreateSelect(exists, k, b.getInt64(0)));
      Value* value = ops_.from_storage(dtype, frame_.load(dtype, address, at));
      if (dtype != operand) value = ops_.round_to(operand, value);
      value = b.CreateSelect(exists, value, llvm::ConstantFP::get(b.getFloatTy(), 0));
      b.CreateAlignedStore(value, word(b.CreateAdd(local, i32(shared_row)), k_local), llvm::Align(4));
    });
  }

  Value* word(Value* shared_row, Value* k) {
    return frame_.shared().at(b.CreateMul(b.CreateAdd(b.CreateMul(shared_row, i32(pitch())), k), i32(4)));
  }

  void multiply(const std::vector<llvm::AllocaInst*>& sums) {
    Loop loop(b, i32(0), i32(schedule_.block_k), 1, "multiply");
    auto load = [&](Value* shared_row) {
      return b.CreateAlignedLoad(b.getFloatTy(), word(shared_row, loop.index()), llvm::Align(4));
    };
    std::vector<Value*> left;
    Value* quad = b.CreateLShr(threads_.lane, 2);
    for (int i = 0; i < plan_.fragment.rows; ++i) left.push_back(load(b.CreateAdd(quad, i32(8 * i))));
    Value* columns = b.CreateAdd(b.CreateMul(threads_.warp_n, i32(64)), threads_.lane_columns);
    for (size_t member = 0; member < offsets_.size(); ++member) {
      Value* shared_row =
          b.CreateAdd(columns, i32(schedule_.block_rows + static_cast<int>(offsets_[member])));
      Value* right = load(shared_row);
      for (size_t i = 0; i < left.size(); ++i) {
        llvm::AllocaInst* sum = sums[i * offsets_.size() + member];
        Value* old = b.CreateLoad(b.getFloatTy(), sum);
        b.CreateStore(b.CreateIntrinsic(llvm::Intrinsic::fma, {b.getFloatTy()}, {left[i], right, old}), sum);
      }
    }
    loop.close();
  }

  const KernelPlan& plan_;
  const ProgramAnalysis& analysis_;
  OpEmitter& ops_;
  llvm::IRBuilder<>& b;
  const Arguments& arguments_;
  GpuFrame& frame_;
  const ThreadGeometry& threads_;
  const SimtSchedule& schedule_;
  std::vector<uint32_t> offsets_;
  Value* left_ = nullptr;         ///< address (i64) of the left operand
  Value* left_stride_ = nullptr;  ///< elements (i64) of its rows
};

}  // namespace

void emit_simt_loop(const KernelPlan& plan, OpEmitter& ops, const Arguments& arguments, GpuFrame& frame) {
  SimtLoop(plan, ops, arguments, frame).emit();
}

}  // namespace gumtile::codegen
