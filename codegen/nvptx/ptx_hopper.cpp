#include "codegen/nvptx/ptx_hopper.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <llvm/IR/IntrinsicsNVPTX.h>

#include "codegen/nvptx/ptx_assembly.h"

namespace gumtile::codegen::ptx {

using llvm::Value;

void barrier_init(llvm::IRBuilder<>& b, Value* barrier, int count) {
  assembly(b, b.getVoidTy(), fmt::format("mbarrier.init.shared::cta.b64 [$0], {};", count), "r", {barrier},
           true);
}

void fence_barrier_init(llvm::IRBuilder<>& b) {
  assembly(b, b.getVoidTy(), "fence.mbarrier_init.release.cluster; fence.proxy.async;", "", {}, true);
}

void barrier_expect(llvm::IRBuilder<>& b, Value* barrier, Value* bytes) {
  assembly(b, b.getVoidTy(), "mbarrier.arrive.expect_tx.shared::cta.b64 _, [$0], $1;", "r,r",
           {barrier, bytes}, true);
}

void barrier_arrive(llvm::IRBuilder<>& b, Value* barrier) {
  assembly(b, b.getVoidTy(), "mbarrier.arrive.shared::cta.b64 _, [$0];", "r", {barrier}, true);
}

void barrier_arrive_at(llvm::IRBuilder<>& b, Value* barrier, Value* rank) {
  assembly(b, b.getVoidTy(),
           "{ .reg .b32 remote; mapa.shared::cluster.u32 remote, $0, $1; "
           "mbarrier.arrive.shared::cluster.b64 _, [remote]; }",
           "r,r", {barrier, rank}, true);
}

void barrier_wait(llvm::IRBuilder<>& b, Value* barrier, Value* parity) {
  assembly(
      b, b.getVoidTy(),
      "{ .reg .pred done; WAIT: mbarrier.try_wait.parity.shared::cta.b64 done, [$0], $1; @!done bra WAIT; }",
      "r,r", {barrier, parity}, true);
}

Value* cluster_rank(llvm::IRBuilder<>& b) {
  return b.CreateIntrinsic(llvm::Intrinsic::nvvm_read_ptx_sreg_cluster_ctarank, llvm::ArrayRef<llvm::Type*>(),
                           llvm::ArrayRef<Value*>());
}

void cluster_barrier(llvm::IRBuilder<>& b) {
  assembly(b, b.getVoidTy(), "barrier.cluster.arrive.aligned; barrier.cluster.wait.aligned;", "", {}, true);
}

void cluster_start(llvm::IRBuilder<>& b) {
  assembly(b, b.getVoidTy(), "barrier.cluster.arrive.relaxed.aligned; barrier.cluster.wait.aligned;", "", {},
           true);
}

Value* elect(llvm::IRBuilder<>& b) {
  Value* elected = b.CreateIntrinsic(llvm::Intrinsic::nvvm_elect_sync, {}, {b.getInt32(~0u)});
  return b.CreateExtractValue(elected, 1);
}

void warp_barrier(llvm::IRBuilder<>& b) {
  assembly(b, b.getVoidTy(), "bar.warp.sync 0xffffffff;", "", {}, true);
}

Value* broadcast(llvm::IRBuilder<>& b, Value* value) {
  return b.CreateIntrinsic(llvm::Intrinsic::nvvm_shfl_sync_idx_i32, {},
                           {b.getInt32(~0u), value, b.getInt32(0), b.getInt32(31)});
}

void set_registers(llvm::IRBuilder<>& b, int count, bool more) {
  assembly(b, b.getVoidTy(), fmt::format("setmaxnreg.{}.sync.aligned.u32 {};", more ? "inc" : "dec", count),
           "", {}, true);
}

void wait_for_previous_grid(llvm::IRBuilder<>& b) {
  assembly(b, b.getVoidTy(), "griddepcontrol.wait;", "", {}, true);
}

void launch_dependents(llvm::IRBuilder<>& b) {
  assembly(b, b.getVoidTy(), "griddepcontrol.launch_dependents;", "", {}, true);
}

void prefetch_tensor_map(llvm::IRBuilder<>& b, Value* map) {
  assembly(b, b.getVoidTy(), "prefetch.tensormap [$0];", "l", {map}, true);
}

void copy_tensor(llvm::IRBuilder<>& b, Value* to, Value* map, Value* x, Value* y, Value* barrier,
                 L2Policy policy, int multicast) {
  constexpr std::string_view text =
      "cp.async.bulk.tensor.2d.shared::cluster.global.mbarrier::complete_tx::bytes{}.L2::cache_hint "
      "[$0], [$1, {{$2, $3}}], [$4]{}, $5;";
  const auto mask = static_cast<uint16_t>(multicast);
  Value* hint = b.getInt64(static_cast<uint64_t>(policy));
  if (multicast != 0)
    assembly(b, b.getVoidTy(), fmt::format(text, ".multicast::cluster", ", $6"), "r,l,r,r,r,l,h",
             {to, map, x, y, barrier, hint, b.getInt16(mask)}, true);
  else
    assembly(b, b.getVoidTy(), fmt::format(text, "", ""), "r,l,r,r,r,l", {to, map, x, y, barrier, hint},
             true);
}

void wgmma_fence(llvm::IRBuilder<>& b) {
  assembly(b, b.getVoidTy(), "wgmma.fence.sync.aligned;", "", {}, true);
}

void wgmma_commit(llvm::IRBuilder<>& b) {
  assembly(b, b.getVoidTy(), "wgmma.commit_group.sync.aligned;", "", {}, true);
}

void wgmma_wait(llvm::IRBuilder<>& b, int pending) {
  assembly(b, b.getVoidTy(), fmt::format("wgmma.wait_group.sync.aligned {};", pending), "", {}, true);
}

namespace {

/// Emits assembly that reads and writes all accumulators in place. Its other operands, `operands`, follow
/// them.
std::vector<Value*> on_sums(llvm::IRBuilder<>& b, const std::string& text, const std::vector<Value*>& sums,
                            std::string_view operand_constraints, const std::vector<Value*>& operands) {
  std::string constraints;
  for (size_t i = 0; i < sums.size(); ++i) constraints += "=f,";
  for (size_t i = 0; i < sums.size(); ++i) constraints += fmt::format("{},", i);
  constraints += operand_constraints;
  if (constraints.back() == ',') constraints.pop_back();
  std::vector<Value*> all = sums;
  all.insert(all.end(), operands.begin(), operands.end());
  auto* result = llvm::StructType::get(b.getContext(), std::vector<llvm::Type*>(sums.size(), b.getFloatTy()));
  Value* made = assembly(b, result, text, constraints, all, true);
  std::vector<Value*> parts;
  parts.reserve(sums.size());
  for (unsigned i = 0; i < sums.size(); ++i) parts.push_back(b.CreateExtractValue(made, i));
  return parts;
}

}  // namespace

std::vector<Value*> wgmma_wait_all(llvm::IRBuilder<>& b, const std::vector<Value*>& sums) {
  return on_sums(b, "wgmma.wait_group.sync.aligned 0;", sums, "", {});
}

Value* wgmma_descriptor(llvm::IRBuilder<>& b, Value* address) {
  Value* low = b.CreateLShr(b.CreateAnd(address, 0x3FFFF), 4);
  constexpr uint64_t layout = uint64_t{1} << 16 | uint64_t{1024 >> 4} << 32 | uint64_t{1} << 62;
  return b.CreateOr(b.CreateZExt(low, b.getInt64Ty()), b.getInt64(layout));
}

std::vector<Value*> wgmma(llvm::IRBuilder<>& b, const MmaAtom& atom, const std::vector<Value*>& sums,
                          Value* left, Value* right, Value* accumulate) {
  const size_t n = sums.size();
  std::string registers;
  for (size_t i = 0; i < n; ++i) registers += fmt::format("{}${}", i == 0 ? "" : ",", i);
  // Tied inputs take operand numbers of their own, so that the other operands start at 2 * n.
  const std::string text =
      fmt::format("{{ .reg .pred p; setp.ne.b32 p, ${}, 0; {} {{{}}}, ${}, ${}, p, 1, 1, 0, 0; }}", 2 * n + 2,
                  fmt::format(fmt::runtime(atom.ptx), 2 * n), registers, 2 * n, 2 * n + 1);
  return on_sums(b, text, sums, "l,l,r", {left, right, b.CreateZExt(accumulate, b.getInt32Ty())});
}

}  // namespace gumtile::codegen::ptx
