#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace gumtile::head {

/// Buckets up to 256 rows end at 1, 4 and then the powers of 2; later ones at multiples of 128.
inline constexpr int64_t kLastPowerOfTwo = 256;
inline constexpr int64_t kBucketStep = 128;

/// The bucket, counted from 0, that holds a batch of `rows` (at least 1).
constexpr size_t bucket_of(int64_t rows) {
  if (rows <= 4) return rows <= 1 ? 0 : 1;
  if (rows <= kLastPowerOfTwo)
    return static_cast<size_t>(std::bit_width(static_cast<uint64_t>(rows - 1))) - 1;
  return 7 + static_cast<size_t>((rows - kLastPowerOfTwo + kBucketStep - 1) / kBucketStep);
}

/// The largest batch of a bucket.
constexpr int64_t bucket_end(size_t bucket) {
  if (bucket == 0) return 1;
  if (bucket <= 7) return int64_t{2} << bucket;
  return kLastPowerOfTwo + kBucketStep * static_cast<int64_t>(bucket - 7);
}

}  // namespace gumtile::head
