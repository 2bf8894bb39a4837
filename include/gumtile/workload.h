#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "gumtile/dtype.h"
#include "gumtile/plan.h"
#include "gumtile/program.h"

namespace gumtile {

/// What a schedule's speed depends on in a Program, beside the sizes of the matrices: the key of tuning
/// records. Programs that are equal in this share their records.
struct Workload {
  enum class Bound : uint8_t { none, group, element };  ///< the level at which a sweep's reduction is bounded

  std::optional<DType> left, right;  ///< the product's operands as stored; none: there is no product
  std::optional<DType> operands;     ///< as multiplied
  int sweeps = 1;                    ///< over the columns
  Join join = Join::records;         ///< how blocks join their states on a GPU
  int record_words = 0;              ///< 32-bit words of the states of a row
  Bound bound = Bound::none;
  int loaded_bytes = 0;    ///< per (row, column), beside the operands
  int stored_bytes = 0;    ///< per (row, column)
  int transcendental = 0;  ///< exponentials, logarithms and the like per row and 16 columns

  bool operator==(const Workload&) const = default;

  /// "left=bf16,right=bf16,operands=bf16,sweeps=1,join=packed,words=3,bound=group,loads=0,stores=0,transcendental=19"
  std::string str() const;
  /// The inverse; empty for any other text.
  static std::optional<Workload> parse(std::string_view text);
};

/// A Program's class. The Program must be verified.
Workload workload_of(const Program& program);

/// How far apart two classes are: 0 for equal ones; empty if a schedule for one says nothing about the other,
/// since they multiply other types, sweep another number of times or have other bounds. A different join
/// counts for more than everything else.
std::optional<int> distance(const Workload& a, const Workload& b);

}  // namespace gumtile
