#pragma once

#include <array>

#include "codegen/common/llvm.h"
#include "plan/mma_atoms.h"

/// PTX instructions, one small function each. Values of type ptr addrspace(3) point to shared memory,
/// addrspace(1) to global.
namespace gumtile::codegen::ptx {

llvm::Value* thread_index(llvm::IRBuilder<>& b);
llvm::Value* block_index_x(llvm::IRBuilder<>& b);
llvm::Value* block_index_y(llvm::IRBuilder<>& b);
/// The number of blocks in the grid along y.
llvm::Value* grid_size_y(llvm::IRBuilder<>& b);

/// The same f32 or i32, but opaque to the compiler.
llvm::Value* opaque(llvm::IRBuilder<>& b, llvm::Value* value);

/// A barrier of all threads of the block; orders their shared-memory accesses.
void barrier(llvm::IRBuilder<>& b);
/// The same for `threads` threads, using hardware barrier `number`.
void barrier_of(llvm::IRBuilder<>& b, int number, int threads);

/// Adds 1 to a word at an address (i64) and returns its old value. What the thread (and with `barrier`, its
/// block) wrote before is visible to threads that count in later.
llvm::Value* count_in(llvm::IRBuilder<>& b, llvm::Value* address);
/// The scope of atomic operations that are visible to the whole device.
llvm::SyncScope::ID device_scope(llvm::IRBuilder<>& b);
/// Loads an i32 as another block last wrote it.
llvm::Value* load_fresh(llvm::IRBuilder<>& b, llvm::Value* global);
/// The same from an address (i64) if `condition` (i1) holds; otherwise the result is `otherwise`. Nothing
/// waits for the load until its result is used.
llvm::Value* load_relaxed_if(llvm::IRBuilder<>& b, llvm::Value* condition, llvm::Value* address,
                             llvm::Value* otherwise);

/// The i32 of the lane whose number is this lane's xor `mask`.
llvm::Value* shuffle_xor(llvm::IRBuilder<>& b, llvm::Value* value, int mask);
/// Whether an i1 holds in some lane of the warp. All of its lanes must take part.
llvm::Value* vote_any(llvm::IRBuilder<>& b, llvm::Value* condition);

/// cp.async of `bytes` bytes (16, 8 or 4). `source_bytes` (i32) of them are read, and the rest is zero; null:
/// all are read.
void copy_async(llvm::IRBuilder<>& b, llvm::Value* shared, llvm::Value* global, int bytes,
                llvm::Value* source_bytes);
void commit_copies(llvm::IRBuilder<>& b);
/// Waits until at most `pending` groups of this thread are in flight.
void wait_copies(llvm::IRBuilder<>& b, int pending);

/// ldmatrix.x4: four 8x8 matrices of 16-bit elements, as i32s.
std::array<llvm::Value*, 4> load_matrices(llvm::IRBuilder<>& b, llvm::Value* shared);

/// mma.sync with an m16n8 atom and f32 accumulators.
std::array<llvm::Value*, 4> mma(llvm::IRBuilder<>& b, const MmaAtom& atom,
                                const std::array<llvm::Value*, 4>& left,
                                const std::array<llvm::Value*, 2>& right,
                                const std::array<llvm::Value*, 4>& sum);

}  // namespace gumtile::codegen::ptx
