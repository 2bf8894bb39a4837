#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "gumtile/artifact.h"

/// What generated code and the runtime both know about a launch, besides the fields of `LaunchSpec`. These
/// numbers are defined only here. If their meaning changes, `kKernelAbi` must be raised.
///
/// A launch passes an array of 64-bit words: the words of `Word`, then two per input and two per output
/// (address, row stride in elements), in the Program's order. Workers are the blocks (GPU) or threads (host)
/// that share the columns; a record holds one worker's states of one row.
namespace gumtile::abi {

enum Word : size_t {
  word_rows = 0,
  word_records = 1,       ///< address of the records
  word_staged = 2,        ///< address of the staged left operand; 0: this launch does not stage
  word_workers = 3,       ///< workers along the columns
  word_shared_state = 4,  ///< address of the shared state; GPU only
  word_flags = 5,         ///< LaunchFlags
  word_tensors = 6        ///< the first tensor's words
};

/// Bits of `word_flags`.
enum LaunchFlags : uint32_t {
  launch_weights_stable = 1,  ///< no earlier kernel of the stream writes the right input
};

inline constexpr size_t kWordsPerTensor = 2;

/// The words of a tensor. Tensors are numbered over the inputs, then the outputs.
constexpr size_t address_word(size_t tensor) { return word_tensors + kWordsPerTensor * tensor; }
constexpr size_t stride_word(size_t tensor) { return address_word(tensor) + 1; }

inline size_t word_count(const LaunchSpec& spec) {
  return address_word(spec.inputs.size() + spec.outputs.size());
}

/// The maximum number of words per launch: 93 tensors. On a GPU the words are parameters of the kernel, which
/// are limited to 4 KiB including tensor maps (CUDA C++ Programming Guide, "__global__ Function Parameters").
/// The array has a fixed size, so that a launch needs no memory besides its stack.
inline constexpr size_t kMaxWords = 192;
using Words = std::array<uint64_t, kMaxWords>;

/// Threads per block of the entry point `stage` on a GPU. A block takes one row.
inline constexpr int kStageThreads = 256;

/// Bytes of a tensor map's box along the contracted axis, equal to the span of the swizzle.
inline constexpr int kBoxBytes = 128;

/// The layout of the shared state on a GPU, which is zeros between launches: a header (word 0 counts finished
/// groups of rows, 32-bit words from 1 on collect the `any` outputs), arrival counters for groups of blocks,
/// 4 bytes per row of arrival counters for groups of rows, and 8 bytes per row and packed word.
inline constexpr int64_t kStateHeaderBytes = 256;
inline constexpr int64_t kGroupCounterBytes = 4096;
inline constexpr int64_t kRowCounterBytes = 4;
inline constexpr int64_t kRowCounterAlignment = 256;

constexpr int64_t row_counters_bytes(int64_t rows) {
  return (kRowCounterBytes * rows + kRowCounterAlignment - 1) / kRowCounterAlignment * kRowCounterAlignment;
}
inline int64_t shared_state_bytes(const LaunchSpec& spec, int64_t rows) {
  return kStateHeaderBytes + kGroupCounterBytes + row_counters_bytes(rows) + 8 * rows * spec.packed_words;
}

}  // namespace gumtile::abi
