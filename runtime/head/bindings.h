#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "abi/launch_abi.h"
#include "gumtile/lm_head.h"
#include "gumtile/program.h"

namespace gumtile::head {

/// The weight matrix that a head borrows, and its other arrays.
struct BorrowedArrays {
  const void* weights = nullptr;
  int64_t weights_row_stride = 0;
  HeadSettings settings;
};

/// Which member of a call, or array of the head, each of a sampling Program's inputs and outputs is bound to.
/// Determined once, so that a launch only fills an array.
class CallBindings {
 public:
  explicit CallBindings(const Program& program);

  /// The most tensors that a launch passes.
  static constexpr size_t kMaxTensors = (abi::kMaxWords - abi::word_tensors) / abi::kWordsPerTensor;
  /// The Program's inputs and then its outputs. The elements after them are not initialised.
  struct Arrays {
    std::array<Binding, kMaxTensors> tensors;
    size_t input_count;
    size_t output_count;

    std::span<const Binding> inputs() const { return {tensors.data(), input_count}; }
    std::span<const Binding> outputs() const { return {tensors.data() + input_count, output_count}; }
  };
  /// False if `extra` has a name that neither an input nor an output of the user's fragments has.
  bool bind(const gumtile_sample_args& args, int64_t hidden_row_stride, const BorrowedArrays& borrowed,
            std::span<const NamedBinding> extra, Arrays& arrays) const noexcept;

 private:
  struct Source {
    enum class Kind : uint8_t { call, hidden_states, weights, array, extra };
    Kind kind = Kind::call;
    size_t at = 0;  ///< the offset in the call's struct, or the number of an array or of an extra name
  };
  Source source_of(const std::string& name, bool input);

  std::array<Source, kMaxTensors> sources_{};
  size_t input_count_ = 0;
  size_t output_count_ = 0;
  std::vector<std::string> extra_;
};

/// Which features a call requests.
class RequestedFeatures {
 public:
  RequestedFeatures();
  Features of(const gumtile_sample_args& args) const noexcept;

 private:
  struct Pointer {
    size_t at;
    Features feature;
  };
  std::vector<Pointer> pointers_;
};

/// The pointer at offset `at` of a call's struct.
const void* pointer_at(const gumtile_sample_args& args, size_t at) noexcept;

}  // namespace gumtile::head
