#pragma once

#include <cstdint>
#include <vector>

#include "codegen/common/llvm.h"

// Whether elements that lie side by side may be loaded or stored together.

namespace gumtile::codegen {

/// Whether elements at these offsets in bytes come in pairs that lie side by side, the first of them at a
/// multiple of both's size if offset 0 is.
bool are_pairs(const std::vector<int64_t>& offsets, int64_t bytes);

/// The low bits (i32) of an address and of all multiples of a stride of elements of so many bytes (i64s):
/// what decides their alignment.
llvm::Value* alignment_bits(llvm::IRBuilder<>& b, llvm::Value* address, llvm::Value* stride, int64_t bytes);

/// Whether all of them are multiples of `to` (i1), a power of two.
llvm::Value* is_aligned(llvm::IRBuilder<>& b, llvm::Value* bits, int64_t to);

}  // namespace gumtile::codegen
