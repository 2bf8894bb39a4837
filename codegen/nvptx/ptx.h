#pragma once

#include <array>

#include "codegen/common/llvm.h"
#include "plan/mma_atoms.h"

/// PTX instructions: one small function each. Values of type ptr addrspace(3) are shared memory, addrspace(1)
/// global.
namespace gumtile::codegen::ptx {

llvm::Value* thread_index(llvm::IRBuilder<>& b);
llvm::Value* block_index_x(llvm::IRBuilder<>& b);
llvm::Value* block_index_y(llvm::IRBuilder<>& b);
/// Blocks of the grid along y.
llvm::Value* grid_size_y(llvm::IRBuilder<>& b);

/// The same f32 or i32, of which the compiler knows nothing.
llvm::Value* opaque(llvm::IRBuilder<>& b, llvm::Value* value);

/// All threads of the block; orders their shared-memory accesses.
void barrier(llvm::IRBuilder<>& b);
/// The same for the first `threads` threads, by a hardware barrier of its own.
void barrier_of(llvm::IRBuilder<>& b, int number, int threads);

/// Adds 1 to a word at an address (i64) and returns what it was. What the thread (and with `barrier`, its
/// block) wrote before is visible to who counts in later.
llvm::Value* count_in(llvm::IRBuilder<>& b, llvm::Value* address);
/// The scope of atomic operations that the whole device sees.
llvm::SyncScope::ID device_scope(llvm::IRBuilder<>& b);
/// An i32 as another block last wrote it.
llvm::Value* load_fresh(llvm::IRBuilder<>& b, llvm::Value* global);
/// The same from an address (i64) where `condition` (i1) holds, else `otherwise`; nothing waits for the load
/// until its result is used.
llvm::Value* load_relaxed_if(llvm::IRBuilder<>& b, llvm::Value* condition, llvm::Value* address,
                             llvm::Value* otherwise);

/// The i32 of the lane whose number differs by `mask`.
llvm::Value* shuffle_xor(llvm::IRBuilder<>& b, llvm::Value* value, int mask);
/// Whether an i1 holds in some lane of the warp; all of its lanes ask.
llvm::Value* vote_any(llvm::IRBuilder<>& b, llvm::Value* condition);

/// cp.async of `bytes` (16, 8 or 4); `source_bytes` (i32) of them are read, the rest is zero. Null: all.
void copy_async(llvm::IRBuilder<>& b, llvm::Value* shared, llvm::Value* global, int bytes,
                llvm::Value* source_bytes);
void commit_copies(llvm::IRBuilder<>& b);
/// Waits until at most `pending` groups of this thread are in flight.
void wait_copies(llvm::IRBuilder<>& b, int pending);

/// ldmatrix.x4: four 8x8 matrices of 16-bit elements, as i32s.
std::array<llvm::Value*, 4> load_matrices(llvm::IRBuilder<>& b, llvm::Value* shared);

/// mma.sync by an atom of m16n8 with f32 accumulators.
std::array<llvm::Value*, 4> mma(llvm::IRBuilder<>& b, const MmaAtom& atom,
                                const std::array<llvm::Value*, 4>& left,
                                const std::array<llvm::Value*, 2>& right,
                                const std::array<llvm::Value*, 4>& sum);

}  // namespace gumtile::codegen::ptx
