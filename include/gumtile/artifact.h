#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "gumtile/dtype.h"

namespace gumtile {

/// How to launch a compiled kernel; all that the runtime knows of it.
///
/// Arguments are an array of 64-bit words, on a GPU passed by value as the kernel's only parameter, on the
/// host by address: [0] rows, [1] address of the records, [2] address of the staged left operand (0: none),
/// [3] partials (the number of workers along the columns), then two words for each input (address, row stride
/// in elements) and two for each output (address, row stride). Inputs and outputs are in the Program's order.
///
/// GPU, in stream order: `stage` where `stages_left` and the left input needs it (grid: one block of 256
/// threads a row; reads the left input, writes the staged operand), `sweep` (grid: partials x ceil(rows /
/// rows_per_block)), `finish` (grid: ceil(rows / 8), 256 threads; absent if `record_words` is 0).
///
/// Host entries: `stage(args, row_begin, row_end)`; `sweep(args, partial, tile_begin, tile_end)`, one call a
/// worker, tiles of `columns_per_tile`; `finish(args, row_begin, row_end)`.
struct LaunchSpec {
  std::string stage;  ///< entry points; empty: absent
  std::string sweep;
  std::string finish;
  int threads = 0;         ///< of a sweep block
  int shared_bytes = 0;    ///< dynamic shared memory of a sweep block
  int rows_per_block = 0;  ///< rows that one sweep block takes
  int64_t columns = 0;
  int columns_per_tile = 0;
  int record_words = 0;  ///< 32-bit words a row and partial
  int host_state_words =
      0;  ///< host: further words a row and partial that a worker keeps its running state in

  int contraction_left = -1;  ///< input whose rows are contracted; -1: none
  int contraction_right = -1;
  bool must_stage = false;  ///< the left input is always staged (its type or the host's layout asks for it)
  DType staged_dtype = DType::f32;
  int64_t staged_stride = 0;  ///< elements a staged row takes
  int right_alignment = 1;    ///< bytes that must divide the right input's address and row stride
  int left_alignment =
      1;  ///< bytes that must divide the left input's address and row stride, else it is staged

  struct Argument {
    std::string name;
    DType dtype;
    int axes = 1;  ///< 0 scalar, 1 vector, 2 matrix
    bool optional = false;
  };
  std::vector<Argument> inputs;
  std::vector<Argument> outputs;

  int64_t tiles() const { return (columns + columns_per_tile - 1) / columns_per_tile; }
  size_t argument_words() const { return 4 + 2 * (inputs.size() + outputs.size()); }
  int64_t records_bytes(int64_t rows, int64_t partials) const {
    return rows * partials * (record_words + host_state_words) * 4;
  }
  int64_t staged_bytes(int64_t rows) const {
    return rows * staged_stride * static_cast<int64_t>(size_bytes(staged_dtype));
  }
};

/// What code generation hands to the runtime; the only thing that passes between them.
struct KernelArtifact {
  enum class Format : uint8_t { ptx, shared_object };
  Format format = Format::ptx;
  std::string code;  ///< PTX text, or the bytes of an ELF shared object
  LaunchSpec launch;
  std::string target;    ///< Target::str()
  std::string schedule;  ///< Schedule::str()
  std::string key;       ///< 32 hex digits that name (program, problem, schedule, target, compiler)
  int ptx_version = 0;   ///< 10 * major + minor
  double compile_ms = 0;
};

}  // namespace gumtile
