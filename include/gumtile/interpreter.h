#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <vector>

#include "gumtile/program.h"

namespace gumtile {

/// The extents that a Program's axes have in one run.
struct Extents {
  int64_t rows = 0;
  int64_t columns = 0;
  int64_t contracted = 0;  ///< 0 for a Program without a contraction
};

/// A host array bound to an input. `row_stride` in elements; used by matrices only.
struct BoundInput {
  const void* data = nullptr;
  int64_t row_stride = 0;
};

/// A host array bound to an output; null: not wanted.
struct BoundOutput {
  void* data = nullptr;
  int64_t row_stride = 0;
};

/// Values that the interpreter recorded: for a node per column [rows, columns] or per group [rows, groups],
/// as the bits of its type.
using Observations = std::map<NodeId, std::vector<uint32_t>>;

/// The reference: evaluates `program` one node at a time, contractions accumulated in float64, everything
/// else in the types that the Program names. Slow and obviously correct. Inputs and outputs are in the
/// Program's order. Rows that the guard rejects are not written. Throws Error(bad_data) for a missing input.
/// Thread safe. `observe`: nodes (32-bit types, element or group level) to record.
void interpret(const Program& program, const Extents& extents, std::span<const BoundInput> inputs,
               std::span<const BoundOutput> outputs, Observations* observe = nullptr);

}  // namespace gumtile
