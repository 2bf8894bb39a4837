#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "gumtile/lm_head.h"

namespace gumtile::head {

/// What the indices of a launch on the CPU point into.
struct IndexedArrays {
  int64_t slots = 0;             ///< of the arrays over slots
  int64_t hidden_row_bytes = 0;  ///< from one row of the hidden states to the next
  int64_t hidden_bytes = 0;      ///< of a row
  int64_t token_bytes = 0;       ///< of an element
  /// What is wrong with some memory, or nothing.
  std::function<std::string(const void* data, size_t bytes)> memory_fault;
};

/// Where `row_slot`, `num_rows`, `hidden_index` and `token_position` of `args`, all in the host's memory,
/// name something that is not there: at most one fault for each. How long the hidden states and `token` are
/// nobody says, so that what their indices name only has to be memory. Rows that are left out are not asked
/// for their slot and position, but for their hidden states, which are read, too.
std::vector<std::string> host_index_faults(const gumtile_sample_args& args, const IndexedArrays& arrays);

/// Whether every row of `args` that counts is greedy, as far as the host's memory tells.
bool is_greedy_on_host(const gumtile_sample_args& args);

}  // namespace gumtile::head
