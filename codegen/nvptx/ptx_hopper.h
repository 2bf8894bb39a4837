#pragma once

#include <vector>

#include "codegen/common/llvm.h"
#include "plan/mma_atoms.h"

/// PTX instructions of Hopper (sm_90; wgmma: sm_90a), one small function each. Shared-memory addresses are
/// i32s in the block's own window; tensor maps are pointers to the kernel's parameters.
namespace gumtile::codegen::ptx {

// ---- mbarriers (PTX ISA, section "Parallel Synchronization and Communication Instructions: mbarrier") ----

/// Called by one thread before any use. `count` arrivals complete a phase.
void barrier_init(llvm::IRBuilder<>& b, llvm::Value* barrier, int count);
/// Makes initialised barriers visible to the copy engine and to the cluster.
void fence_barrier_init(llvm::IRBuilder<>& b);
/// Arrives, and makes the phase wait for `bytes` (i32) more bytes.
void barrier_expect(llvm::IRBuilder<>& b, llvm::Value* barrier, llvm::Value* bytes);
void barrier_arrive(llvm::IRBuilder<>& b, llvm::Value* barrier);
/// Arrives at the barrier at the same address in block `rank` (i32) of the cluster. It has no device-wide
/// release fence, which would double the time of a main loop (measured on an H200).
void barrier_arrive_at(llvm::IRBuilder<>& b, llvm::Value* barrier, llvm::Value* rank);
/// Waits until the phase of this parity (i32) is complete.
void barrier_wait(llvm::IRBuilder<>& b, llvm::Value* barrier, llvm::Value* parity);

// ---- clusters and grids ----

/// The block's number in its cluster; x varies fastest.
llvm::Value* cluster_rank(llvm::IRBuilder<>& b);
/// A barrier of all threads of the cluster; what they wrote before is visible after it.
void cluster_barrier(llvm::IRBuilder<>& b);
/// The same for the start of a cluster: it orders only barriers that were made visible by
/// `fence_barrier_init`.
void cluster_start(llvm::IRBuilder<>& b);
/// Whether this is the one lane of its warp that acts for all (i1), which is always the same lane. It tells
/// the assembler that only one lane runs the code under the condition. A comparison of lane numbers does not:
/// the assembler would put a loop over lanes around every bulk copy.
llvm::Value* elect(llvm::IRBuilder<>& b);
/// A barrier of all lanes of the warp.
void warp_barrier(llvm::IRBuilder<>& b);
/// The i32 of lane 0, which the compiler then knows to be the same for the whole warp.
llvm::Value* broadcast(llvm::IRBuilder<>& b, llvm::Value* value);
/// Moves registers between the warpgroups of a block, which must all call it: up or down to `count` per
/// thread.
void set_registers(llvm::IRBuilder<>& b, int count, bool more);
/// Waits for the kernels that this one may overlap under programmatic dependent launch; otherwise does
/// nothing.
void wait_for_previous_grid(llvm::IRBuilder<>& b);
/// Lets dependent kernels start. They see this kernel's results only after their own wait.
void launch_dependents(llvm::IRBuilder<>& b);

// ---- bulk tensor copies ----

enum class L2Policy : uint64_t {
  evict_first = 0x12F0000000000000,  ///< what createpolicy.fractional.L2::evict_first 1.0 returns
  evict_last = 0x14F0000000000000,
};
void prefetch_tensor_map(llvm::IRBuilder<>& b, llvm::Value* map);
/// Copies a box at element (x, y) to shared memory at `to`; its bytes count towards `barrier`. If `multicast`
/// is not 0, it is a mask of cluster ranks: the box goes to the same address in each of those blocks and
/// counts towards the barriers there.
void copy_tensor(llvm::IRBuilder<>& b, llvm::Value* to, llvm::Value* map, llvm::Value* x, llvm::Value* y,
                 llvm::Value* barrier, L2Policy policy, int multicast);

// ---- warpgroup MMA ----

void wgmma_fence(llvm::IRBuilder<>& b);
void wgmma_commit(llvm::IRBuilder<>& b);
/// Waits until at most `pending` groups are in flight.
void wgmma_wait(llvm::IRBuilder<>& b, int pending);
/// Waits for all groups and returns the accumulators' values.
std::vector<llvm::Value*> wgmma_wait_all(llvm::IRBuilder<>& b, const std::vector<llvm::Value*>& sums);
/// The descriptor (i64) of a K-major operand at a shared address, with the 128-byte swizzle and groups of 8
/// rows that are 1024 bytes apart.
llvm::Value* wgmma_descriptor(llvm::IRBuilder<>& b, llvm::Value* address);
/// m64nN with N = 2 * sums.size() and f32 accumulators. If `accumulate` (i1) is false, the old sums count as
/// 0.
std::vector<llvm::Value*> wgmma(llvm::IRBuilder<>& b, const MmaAtom& atom,
                                const std::vector<llvm::Value*>& sums, llvm::Value* left, llvm::Value* right,
                                llvm::Value* accumulate);

}  // namespace gumtile::codegen::ptx
