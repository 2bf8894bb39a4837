#pragma once

#include <algorithm>
#include <cstdint>

namespace gumtile::engine {

/// How a GPU kernel's sweep divides its work into blocks: the grid is partials x row blocks.
struct Grid {
  int64_t tiles = 1;  ///< along the columns
  int64_t rows_per_block = 1;
  int64_t resident_blocks = 1;  ///< blocks that the whole device runs at a time

  constexpr int64_t row_blocks(int64_t rows) const { return (rows + rows_per_block - 1) / rows_per_block; }

  /// As many blocks along the columns as run at once: each takes its share of the tiles.
  constexpr int64_t partials(int64_t rows) const {
    return std::min(tiles, std::max<int64_t>(1, resident_blocks / row_blocks(rows)));
  }

  /// No less than rows * partials(rows) for any rows up to `max_rows`, and growing with it, which that
  /// product itself does not. For b row blocks of r rows and R resident blocks, partials is at most
  /// min(tiles, R), and b * r * max(1, R / b) is at most r * max(b, R).
  constexpr int64_t max_records(int64_t max_rows) const {
    return std::min(max_rows * std::min(tiles, resident_blocks),
                    rows_per_block * std::max(row_blocks(max_rows), resident_blocks));
  }
};

}  // namespace gumtile::engine
