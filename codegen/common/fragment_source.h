#pragma once

#include <span>
#include <vector>

#include "codegen/common/llvm.h"
#include "gumtile/program.h"

namespace gumtile::codegen {

/// A place in the fragment that one lane holds, known when code is emitted.
struct Place {
  /// As a row and a block: those that `Lanes::choose` has named.
  static constexpr int kChosen = -2;

  int row = 0;
  int block = 0;   ///< of 64 columns
  int member = 0;  ///< which of the fragment's columns in the block
};

/// An integer `base | offset`; the bits of `offset` are zero in `base`. Column arithmetic keeps the part that
/// differs between the columns of a lane in `offset`, so that they share all work on `base`.
struct SplitInteger {
  llvm::Value* base = nullptr;  ///< null: the value is the constant `offset`
  uint32_t offset = 0;
  uint32_t zeros = ~0u;  ///< bits that are known to be zero in `base`
};

/// What lanes can do that run together, as those of a GPU's warp do: they can exchange values, and what one
/// of them does costs all of them.
class Lanes {
 public:
  virtual ~Lanes() = default;
  /// Whether an i1 holds in any of them.
  virtual llvm::Value* any(llvm::Value* condition) = 0;
  /// Lanes that hold other columns of the same row differ from this one in these bits of their number.
  virtual std::vector<int> row_bits() = 0;
  /// The i32 of the lane whose number differs in `bit`.
  virtual llvm::Value* from(llvm::Value* word, int bit) = 0;
  /// Called around code that rarely runs: values that it computes should not be shared with code that always
  /// runs, which would keep them alive.
  virtual void enter_rare_code() = 0;
  virtual void leave_rare_code() = 0;
  /// Whether a row and block can be chosen at run time.
  virtual bool can_choose() = 0;
  /// Makes {kChosen, kChosen} in a place stand for this row and block (i32s) of the fragment.
  virtual void choose(llvm::Value* row, llvm::Value* block) = 0;
  /// For a reduction with a bound: a first component (of its type) that the row's state has reached in other
  /// lanes or blocks, or null. Elements whose bound is below it cannot change the row's result.
  virtual llvm::Value* reached_elsewhere(NodeId reduction, int row) = 0;
};

/// What the surrounding loop supplies to expressions.
class FragmentSource {
 public:
  virtual ~FragmentSource() = default;
  /// Null if lanes are independent, or are elements of vectors.
  virtual Lanes* lanes() { return nullptr; }
  /// The contraction's value, or the value that replaced it.
  virtual llvm::Value* accumulator(const Place& place) = 0;
  /// Whether accumulators may be replaced, and the replacement.
  virtual bool can_replace_accumulators() { return false; }
  virtual void set_accumulator(const Place& /*place*/, llvm::Value* /*value*/) {}
  /// The block's first column (global) plus what the lane adds (u32); the bits of the fragment's mask are
  /// zero in `base`. Blocks that share a base share what is computed from it.
  virtual SplitInteger column_base(int block) = 0;
  /// A value of the row table or, if `node` is a reduce node, a component of its finished state.
  virtual llvm::Value* row_value(NodeId node, size_t which, int row) = 0;
  /// The row's index (i64); inputs can be read at it safely.
  virtual llvm::Value* row_index(int row) = 0;
  /// Whether the row counts (i1); null: it may be assumed to.
  virtual llvm::Value* row_active(int) { return nullptr; }
  /// Address (i64) and row stride in elements (i64) of an input.
  virtual llvm::Value* input_address(uint32_t input) = 0;
  virtual llvm::Value* input_stride(uint32_t input) = 0;
  /// Loads stored elements of `dtype` at element indices (i64, one or a vector) from `address`.
  virtual llvm::Value* load(DType dtype, llvm::Value* address, llvm::Value* index) = 0;
  /// Stores the elements for which `mask` (i1 or a vector of them; null: all) holds.
  virtual void store(llvm::Value* stored, llvm::Value* address, llvm::Value* index, llvm::Value* mask) = 0;

  /// Whether a lane's elements can be loaded and stored by the two functions below. Not if lanes are elements
  /// of vectors.
  virtual bool has_runs() { return false; }
  /// Loads `count` adjacent stored elements by one instruction, `offset` bytes from an address (i64), which
  /// must be aligned as if they were one element.
  virtual std::vector<llvm::Value*> load_run(DType dtype, llvm::Value* address, int64_t offset,
                                             size_t count) {
    (void)dtype, (void)address, (void)offset, (void)count;
    llvm_unreachable("no runs");
  }
  virtual void store_run(std::span<llvm::Value* const> stored, llvm::Value* address, int64_t offset) {
    (void)stored, (void)address, (void)offset;
    llvm_unreachable("no runs");
  }
};

}  // namespace gumtile::codegen
