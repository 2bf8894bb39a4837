#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gumtile/dtype.h"

namespace gumtile {

/// The version of what generated code and the runtime agree on. Raised whenever the meaning of argument
/// words, workspace or LaunchSpec changes: a runtime uses only kernels from files that have the same number.
inline constexpr int kKernelAbi = 1;

/// How to launch a compiled kernel: all that the runtime knows about it.
///
/// Arguments are an array of 64-bit words (src/abi/launch_abi.h), on a GPU passed by value as the kernel's
/// first parameter, on the host by address. Inputs and outputs are in the Program's order.
///
/// GPU, in stream order: `stage` if the left input needs it or `left_index` is bound (grid: one block of 256
/// threads per row; reads the left input, writes the staged operand), then `sweep` (grid: workers, the blocks
/// that share the columns, x ceil(rows / rows_per_block), both rounded up to whole clusters). The last block
/// of each rows_per_block rows finishes them. The shared state is all zeros between launches: kernels leave
/// it so. After the argument words come `tensor_maps`, by value.
///
/// Host entries: `stage(args, row_begin, row_end)`; `sweep(args, worker, unit_begin, unit_end)`, one call per
/// worker (a thread), units of `columns_per_unit`; `finish(args, row_begin, row_end)`.
struct LaunchSpec {
  /// A tensor map (TMA descriptor) that the sweep takes: boxes of `box_rows` x 64 elements of an input, in
  /// shared memory with the 128-byte swizzle.
  struct TensorMap {
    bool left =
        false;  ///< of the contraction's left operand as the sweep reads it (staged or not), else the right
    int box_rows = 64;  ///< of the left operand at most as many as it has
    int l2_promotion = 128;
  };

  std::string stage;  ///< entry points; empty: absent
  std::string sweep;
  std::string finish;
  int threads = 0;         ///< of a sweep block
  int shared_bytes = 0;    ///< dynamic shared memory of a sweep block
  int rows_per_block = 0;  ///< rows that one sweep block takes
  int64_t columns = 0;
  int64_t contracted = 0;    ///< elements of a row of both operands of the contraction
  int64_t first_column = 0;  ///< the global index of the first column
  int columns_per_unit = 0;  ///< the unit in which columns are distributed; tiles are aligned to it globally
  int record_words = 0;      ///< 32-bit words per row and worker
  int host_state_words = 0;  ///< host: further words per row and worker, for a thread's running state

  int cluster_m = 1;     ///< GPU: blocks of a cluster along the rows (grid y)
  int cluster_n = 1;     ///< and along the columns (grid x)
  int packed_words = 0;  ///< GPU: 64-bit words of shared state per row
  std::vector<TensorMap> tensor_maps;

  int contraction_left = -1;  ///< input whose rows are contracted; -1: none
  int contraction_right = -1;
  int left_index = -1;      ///< input with the rows of the left one that are staged; -1: none
  bool must_stage = false;  ///< the left input is always staged (its type or the host's layout requires it)
  DType staged_dtype = DType::f32;
  int64_t staged_stride = 0;  ///< elements of a staged row
  int right_alignment = 1;    ///< bytes that must divide the right input's address and row stride
  int left_alignment = 1;     ///< the same for the left input; if they do not, it is staged

  struct Argument {
    std::string name;
    DType dtype;
    int axes = 1;  ///< 0 scalar, 1 vector, 2 matrix
    bool optional = false;
  };
  std::vector<Argument> inputs;
  std::vector<Argument> outputs;

  int64_t first_unit_column() const { return first_column / columns_per_unit * columns_per_unit; }
  int64_t units() const {
    return (first_column + columns - first_unit_column() + columns_per_unit - 1) / columns_per_unit;
  }
  int64_t records_bytes(int64_t rows, int64_t workers) const {
    return rows * workers * (record_words + host_state_words) * 4;
  }
  int64_t staged_bytes(int64_t rows) const {
    return rows * staged_stride * static_cast<int64_t>(size_bytes(staged_dtype));
  }
};

/// The result of code generation; the only thing that passes from it to the runtime.
struct KernelArtifact {
  enum class Format : uint8_t { ptx, cubin, shared_object };
  Format format = Format::ptx;
  std::string code;  ///< PTX text, or the bytes of a cubin or of an ELF shared object
  /// With PTX: the same kernel assembled for `target`; may be empty. Loaded instead if the driver accepts it.
  std::string cubin;
  LaunchSpec launch;
  std::string target;    ///< Target::str()
  std::string schedule;  ///< Schedule::str()
  std::string key;       ///< 32 hex digits: a hash of (program, problem, schedule, target, compiler)
  int ptx_version = 0;   ///< 10 * major + minor
  double compile_ms = 0;
  bool ready_made = false;  ///< from a file that keeps it, so that no cache needs to
};

}  // namespace gumtile
