#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "gumtile/artifact.h"
#include "gumtile/engine.h"

namespace gumtile::engine {

/// The words that a kernel is launched with (`LaunchSpec`), of which the first `argument_words()` count. A
/// fixed array, so that a launch needs no memory but its stack.
inline constexpr size_t kMaxArgumentWords = 64;
using ArgumentWords = std::array<uint64_t, kMaxArgumentWords>;

/// The words before those of the inputs and outputs.
enum ArgumentWord : size_t {
  word_rows = 0,
  word_records = 1,
  word_staged = 2,
  word_partials = 3,
  word_shared_state = 4,
  word_flags = 5,
  word_bindings = 6
};

/// What the launch of one kernel demands of its bindings.
class ArgumentLayout {
 public:
  /// Throws Error(internal) where the kernel takes more than `kMaxArgumentWords`.
  explicit ArgumentLayout(const LaunchSpec& spec);

  /// Writes the words of the bindings, or returns `invalid_argument`: a wrong number of them, a null pointer
  /// for one that is not optional, a pointer that its element's size does not divide, or a matrix whose row
  /// stride is below 1 (an output's: below its columns).
  Status pack(std::span<const Binding> inputs, std::span<const Binding> outputs,
              ArgumentWords& words) const noexcept;

 private:
  struct Demand {
    uint64_t misalignment = 0;   ///< bits that the address must not have
    int64_t min_row_stride = 0;  ///< 0: no matrix
    bool optional = false;
  };

  static bool pack_one(const Demand& demand, const Binding& binding, uint64_t* words) noexcept;

  std::vector<Demand> inputs_;
  std::vector<Demand> outputs_;
};

}  // namespace gumtile::engine
