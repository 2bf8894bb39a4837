#include "codegen/nvptx/thread_geometry.h"

#include "codegen/common/control_flow.h"
#include "codegen/nvptx/ptx.h"

namespace gumtile::codegen {

using llvm::Value;

void for_each_thread(llvm::IRBuilder<>& b, Value* thread, int count, int threads,
                     const std::function<void(Value*)>& body) {
  Loop loop(b, thread, b.getInt32(static_cast<uint32_t>(count)), threads, "each");
  body(loop.index());
  loop.close();
}

ThreadGeometry::ThreadGeometry(llvm::IRBuilder<>& builder, const KernelPlan& plan, const Arguments& arguments)
    : b(builder), plan_(plan), rows_(arguments.rows()) {
  auto i32 = [&](int value) { return b.getInt32(static_cast<uint32_t>(value)); };
  thread = ptx::thread_index(b);
  lane = b.CreateAnd(thread, 31);
  warp = b.CreateLShr(thread, 5);
  const bool warpgroups = std::holds_alternative<WgmmaSchedule>(plan.schedule.family);
  Value* group = warpgroups ? b.CreateLShr(thread, 7) : warp;
  turn = b.getInt32(0);
  if (plan.turns > 1) {
    const int groups = plan.consumers / 128 / plan.turns;
    turn = b.CreateUDiv(group, i32(groups));
    group = b.CreateURem(group, i32(groups));
  }
  warp_n = b.CreateURem(group, i32(plan.warps_n));
  warp_m = b.CreateUDiv(group, i32(plan.warps_n));
  warp_row = b.CreateMul(warp_m, i32((warpgroups ? 32 : 8) * plan.fragment.rows));
  if (warpgroups) warp_row = b.CreateAdd(warp_row, b.CreateShl(b.CreateAnd(warp, 3), 4));
  first_row = b.CreateMul(b.CreateZExt(ptx::block_index_y(b), b.getInt64Ty()),
                          b.getInt64(static_cast<uint64_t>(plan.launch.rows_per_block)));
  worker = ptx::block_index_x(b);
  workers = b.CreateTrunc(arguments.workers(), b.getInt32Ty());
  // The two low bits of the lane's number, moved to the bits of a column in a block of 64 that are not in the
  // fragment's mask.
  std::vector<uint64_t> free_bits;
  for (uint64_t bit = 0; bit < 6; ++bit)
    if (!((plan.fragment.mask >> bit) & 1)) free_bits.push_back(bit);
  Value* low = b.CreateShl(b.CreateAnd(lane, 1), free_bits[0]);
  Value* high = b.CreateShl(b.CreateAnd(b.CreateLShr(lane, 1), 1), free_bits[1]);
  lane_columns = b.CreateOr(low, high);
}

int ThreadGeometry::row_offset(int row) const { return row / 2 * plan_.fragment.row_pair_step + row % 2 * 8; }

Value* ThreadGeometry::local_row(int row) const {
  Value* in_warp = b.CreateAdd(b.CreateLShr(lane, 2), b.getInt32(static_cast<uint32_t>(row_offset(row))));
  return b.CreateAdd(warp_row, in_warp);
}

Value* ThreadGeometry::local_row(Value* row) const {
  Value* pair =
      b.CreateMul(b.CreateLShr(row, 1), b.getInt32(static_cast<uint32_t>(plan_.fragment.row_pair_step)));
  Value* offset = b.CreateAdd(pair, b.CreateShl(b.CreateAnd(row, 1), 3));
  return b.CreateAdd(warp_row, b.CreateAdd(b.CreateLShr(lane, 2), offset));
}

Value* ThreadGeometry::global_row(Value* local) const {
  return b.CreateAdd(first_row, b.CreateZExt(local, b.getInt64Ty()));
}

Value* ThreadGeometry::clamp_row(Value* row) const {
  return b.CreateBinaryIntrinsic(llvm::Intrinsic::smin, row, b.CreateSub(rows_, b.getInt64(1)));
}

}  // namespace gumtile::codegen
