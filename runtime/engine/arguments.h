#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "abi/launch_abi.h"
#include "gumtile/artifact.h"
#include "gumtile/engine.h"

namespace gumtile::engine {

/// The requirements of one kernel's launch on its bindings.
class ArgumentLayout {
 public:
  /// Throws Error(internal) if the kernel takes more than `abi::kMaxWords`.
  explicit ArgumentLayout(const LaunchSpec& spec);

  /// Writes the words of the bindings, or returns `invalid_argument`: a wrong number of bindings, a null
  /// pointer for one that is not optional, a pointer that is not aligned to its element, or a matrix whose
  /// row stride is below 1 (an output's: below its columns).
  Status pack(std::span<const Binding> inputs, std::span<const Binding> outputs,
              abi::Words& words) const noexcept;

 private:
  struct Demand {
    uint64_t misalignment = 0;   ///< bits that must be 0 in the address
    int64_t min_row_stride = 0;  ///< 0: not a matrix
    bool optional = false;
  };

  static bool pack_one(const Demand& demand, const Binding& binding, uint64_t* words) noexcept;

  std::vector<Demand> inputs_;
  std::vector<Demand> outputs_;
};

}  // namespace gumtile::engine
