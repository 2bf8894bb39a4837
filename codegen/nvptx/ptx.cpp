#include "codegen/nvptx/ptx.h"

#include <fmt/format.h>
#include <llvm/IR/IntrinsicsNVPTX.h>

#include "codegen/nvptx/ptx_assembly.h"

namespace gumtile::codegen::ptx {

using llvm::Type;
using llvm::Value;

namespace {

Value* shared_address(llvm::IRBuilder<>& b, Value* shared) {
  return b.CreatePtrToInt(shared, b.getInt32Ty());
}

}  // namespace

namespace {

Value* special_register(llvm::IRBuilder<>& b, llvm::Intrinsic::ID id) {
  return b.CreateIntrinsic(id, llvm::ArrayRef<Type*>(), llvm::ArrayRef<Value*>());
}

}  // namespace

Value* thread_index(llvm::IRBuilder<>& b) {
  return special_register(b, llvm::Intrinsic::nvvm_read_ptx_sreg_tid_x);
}
Value* block_index_x(llvm::IRBuilder<>& b) {
  return special_register(b, llvm::Intrinsic::nvvm_read_ptx_sreg_ctaid_x);
}
Value* block_index_y(llvm::IRBuilder<>& b) {
  return special_register(b, llvm::Intrinsic::nvvm_read_ptx_sreg_ctaid_y);
}

Value* opaque(llvm::IRBuilder<>& b, Value* value) {
  auto* type = llvm::FunctionType::get(value->getType(), {value->getType()}, false);
  return b.CreateCall(
      type, llvm::InlineAsm::get(type, "", value->getType()->isFloatTy() ? "=f,0" : "=r,0", false), {value});
}

Value* grid_size_y(llvm::IRBuilder<>& b) {
  return special_register(b, llvm::Intrinsic::nvvm_read_ptx_sreg_nctaid_y);
}

Value* count_in(llvm::IRBuilder<>& b, Value* address) {
  return assembly(b, b.getInt32Ty(), "atom.acq_rel.gpu.global.add.u32 $0, [$1], 1;", "=r,l", {address}, true);
}

llvm::SyncScope::ID device_scope(llvm::IRBuilder<>& b) {
  return b.getContext().getOrInsertSyncScopeID("device");
}

Value* load_fresh(llvm::IRBuilder<>& b, Value* global) {
  llvm::LoadInst* load = b.CreateAlignedLoad(b.getInt32Ty(), global, llvm::Align(4));
  load->setAtomic(llvm::AtomicOrdering::Monotonic, device_scope(b));
  return load;
}

Value* load_relaxed_if(llvm::IRBuilder<>& b, Value* condition, Value* address, Value* otherwise) {
  return assembly(b, b.getInt32Ty(),
                  "{ .reg .pred p; setp.ne.b32 p, $2, 0; @p ld.relaxed.gpu.global.u32 $0, [$3]; }",
                  "=r,0,r,l", {otherwise, b.CreateZExt(condition, b.getInt32Ty()), address}, true);
}

void barrier(llvm::IRBuilder<>& b) {
  b.CreateIntrinsic(llvm::Intrinsic::nvvm_barrier_cta_sync_aligned_all, {}, {b.getInt32(0)});
}

void barrier_of(llvm::IRBuilder<>& b, int number, int threads) {
  b.CreateIntrinsic(llvm::Intrinsic::nvvm_barrier_cta_sync_aligned_count, {},
                    {b.getInt32(static_cast<uint32_t>(number)), b.getInt32(static_cast<uint32_t>(threads))});
}

Value* shuffle_xor(llvm::IRBuilder<>& b, Value* value, int mask) {
  return b.CreateIntrinsic(llvm::Intrinsic::nvvm_shfl_sync_bfly_i32, {},
                           {b.getInt32(~0u), value, b.getInt32(static_cast<uint32_t>(mask)), b.getInt32(31)});
}

Value* vote_any(llvm::IRBuilder<>& b, Value* condition) {
  return b.CreateIntrinsic(llvm::Intrinsic::nvvm_vote_any_sync, {}, {b.getInt32(~0u), condition});
}

void copy_async(llvm::IRBuilder<>& b, Value* shared, Value* global, int bytes, Value* source_bytes) {
  const std::string_view cache = bytes == 16 ? "cg" : "ca";  // .cg exists for 16 bytes only
  Value* to = shared_address(b, shared);
  if (source_bytes)
    assembly(b, b.getVoidTy(), fmt::format("cp.async.{}.shared.global [$0], [$1], {}, $2;", cache, bytes),
             "r,l,r", {to, global, source_bytes}, true);
  else
    assembly(b, b.getVoidTy(), fmt::format("cp.async.{}.shared.global [$0], [$1], {};", cache, bytes), "r,l",
             {to, global}, true);
}

void commit_copies(llvm::IRBuilder<>& b) {
  assembly(b, b.getVoidTy(), "cp.async.commit_group;", "", {}, true);
}

void wait_copies(llvm::IRBuilder<>& b, int pending) {
  assembly(b, b.getVoidTy(), fmt::format("cp.async.wait_group {};", pending), "", {}, true);
}

std::array<Value*, 4> load_matrices(llvm::IRBuilder<>& b, Value* shared) {
  Type* word = b.getInt32Ty();
  Value* all = assembly(b, llvm::StructType::get(word, word, word, word),
                        "ldmatrix.sync.aligned.m8n8.x4.shared.b16 {$0, $1, $2, $3}, [$4];", "=r,=r,=r,=r,r",
                        {shared_address(b, shared)}, true);
  std::array<Value*, 4> parts{};
  for (unsigned i = 0; i < 4; ++i) parts[i] = b.CreateExtractValue(all, i);
  return parts;
}

std::array<Value*, 4> mma(llvm::IRBuilder<>& b, const MmaAtom& atom, const std::array<Value*, 4>& left,
                          const std::array<Value*, 2>& right, const std::array<Value*, 4>& sum) {
  Type* f = b.getFloatTy();
  Value* all = assembly(
      b, llvm::StructType::get(f, f, f, f),
      fmt::format("{} {{$0, $1, $2, $3}}, {{$4, $5, $6, $7}}, {{$8, $9}}, {{$10, $11, $12, $13}};", atom.ptx),
      "=f,=f,=f,=f,r,r,r,r,r,r,f,f,f,f",
      {left[0], left[1], left[2], left[3], right[0], right[1], sum[0], sum[1], sum[2], sum[3]}, false);
  std::array<Value*, 4> parts{};
  for (unsigned i = 0; i < 4; ++i) parts[i] = b.CreateExtractValue(all, i);
  return parts;
}

}  // namespace gumtile::codegen::ptx
