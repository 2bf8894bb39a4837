#include "runtime/head/host_indices.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>

namespace gumtile::head {
namespace {

/// Below it a row is greedy (docs/semantics.md).
constexpr float kGreedyTemperature = 1e-5F;

int64_t counted_rows(const gumtile_sample_args& args) {
  return args.num_rows == nullptr ? args.rows : std::clamp<int64_t>(*args.num_rows, 0, args.rows);
}

bool is_left_out(const gumtile_sample_args& args, int64_t row) {
  return args.row_slot != nullptr && args.row_slot[row] < 0;
}

/// The first fault that `fault` finds in the rows up to `rows`.
template <typename Fault>
void add_first(std::vector<std::string>& faults, int64_t rows, const Fault& fault) {
  for (int64_t row = 0; row < rows; ++row) {
    std::string found = fault(row);
    if (found.empty()) continue;
    faults.push_back(std::move(found));
    return;
  }
}

}  // namespace

std::vector<std::string> host_index_faults(const gumtile_sample_args& args, const IndexedArrays& arrays) {
  std::vector<std::string> faults;
  if (args.num_rows != nullptr && (*args.num_rows < 0 || *args.num_rows > args.rows))
    faults.push_back(fmt::format("num_rows: 0 to {}, the rows of the launch, is expected, not {}", args.rows,
                                 *args.num_rows));
  const int64_t counted = counted_rows(args);

  const bool has_slots = args.temperature != nullptr || args.seed != nullptr;
  if (args.row_slot != nullptr && has_slots) {
    add_first(faults, counted, [&](int64_t row) {
      return args.row_slot[row] < arrays.slots
                 ? std::string()
                 : fmt::format("row_slot: row {} names slot {}, but there are {} slots", row,
                               args.row_slot[row], arrays.slots);
    });
  }
  if (args.hidden_index != nullptr) {
    const auto* const hidden = static_cast<const std::byte*>(args.hidden_states);
    add_first(faults, args.rows, [&](int64_t row) {
      const int64_t index = args.hidden_index[row];
      if (index < 0) return std::string();
      const std::string fault = arrays.memory_fault(hidden + index * arrays.hidden_row_bytes,
                                                    static_cast<size_t>(arrays.hidden_bytes));
      return fault.empty()
                 ? fault
                 : fmt::format("hidden_index: row {} names row {} of hidden_states: {}", row, index, fault);
    });
  }
  if (args.token_position != nullptr) {
    const auto* const token = static_cast<const std::byte*>(args.token);
    add_first(faults, counted, [&](int64_t row) {
      const int64_t position = args.token_position[row];
      if (position < 0 || is_left_out(args, row)) return std::string();
      const std::string fault =
          arrays.memory_fault(token + position * arrays.token_bytes, static_cast<size_t>(arrays.token_bytes));
      return fault.empty()
                 ? fault
                 : fmt::format("token_position: row {} names element {} of token: {}", row, position, fault);
    });
  }
  return faults;
}

bool is_greedy_on_host(const gumtile_sample_args& args) {
  if (args.temperature == nullptr) return false;
  const int64_t counted = counted_rows(args);
  for (int64_t row = 0; row < counted; ++row) {
    if (is_left_out(args, row)) continue;
    const int64_t slot = args.row_slot == nullptr ? row : args.row_slot[row];
    // Negated, so that NaN counts as not greedy.
    if (!(args.temperature[slot] < kGreedyTemperature)) return false;
  }
  return true;
}

}  // namespace gumtile::head
