#pragma once

#include <algorithm>
#include <cstdint>

namespace gumtile::engine {

/// How a GPU kernel's sweep divides its work into blocks: the grid is workers x row blocks.
struct Grid {
  int64_t tiles = 1;  ///< units to distribute along the columns
  int64_t rows_per_block = 1;
  int64_t resident_blocks = 1;  ///< blocks that the whole device runs at the same time
  int64_t cluster_m = 1;        ///< the number of row blocks is a multiple of this
  int64_t cluster_n = 1;        ///< the number of workers is a multiple of this

  constexpr int64_t row_blocks(int64_t rows) const {
    const int64_t blocks = (rows + rows_per_block - 1) / rows_per_block;
    return (blocks + cluster_m - 1) / cluster_m * cluster_m;
  }

  /// The blocks along the columns: as many as run at once, each with its share of the tiles.
  constexpr int64_t workers(int64_t rows) const {
    const int64_t wanted = std::min(tiles, std::max<int64_t>(1, resident_blocks / row_blocks(rows)));
    return std::max<int64_t>(1, wanted / cluster_n) * cluster_n;
  }

  /// At least rows * workers(rows) for any rows up to `max_rows`. Grows with `max_rows`, which that product
  /// itself does not. For b row blocks of r rows and R resident blocks, workers is at most max(c, min(tiles,
  /// R)) with clusters of c, and b * r * max(c, R / b) is at most r * max(c * b, R).
  constexpr int64_t max_records(int64_t max_rows) const {
    return std::min(max_rows * std::max(cluster_n, std::min(tiles, resident_blocks)),
                    rows_per_block * std::max(cluster_n * row_blocks(max_rows), resident_blocks));
  }
};

}  // namespace gumtile::engine
