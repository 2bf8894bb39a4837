#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "gumtile/lm_head.h"

namespace gumtile::head {

/// The arrays that the indices of a launch on the CPU refer to.
struct IndexedArrays {
  int64_t slots = 0;             ///< of the arrays over slots
  int64_t hidden_row_bytes = 0;  ///< from one row of the hidden states to the next
  int64_t hidden_bytes = 0;      ///< of a row
  int64_t token_bytes = 0;       ///< of an element
  /// Returns what is wrong with some memory; empty if nothing is.
  std::function<std::string(const void* data, size_t bytes)> memory_fault;
};

/// Describes where `row_slot`, `num_rows`, `hidden_index` and `token_position` of `args`, all in host memory,
/// are out of range: at most one fault per array. The lengths of the hidden states and of `token` are not
/// known, so it only checks that their indices refer to memory. For rows that are left out, the slot and
/// position are not checked, but the hidden states are, since they are read.
std::vector<std::string> host_index_faults(const gumtile_sample_args& args, const IndexedArrays& arrays);

/// Whether every row of `args` that is not left out is greedy, as far as host memory shows.
bool is_greedy_on_host(const gumtile_sample_args& args);

}  // namespace gumtile::head
