#pragma once

#include <array>
#include <cstddef>

#include "gumtile/lm_head.h"
#include "gumtile/program.h"

namespace gumtile::engine {

/// What a sampling call may bind, by the Program's names (gumtile/programs.h).
enum InputSource : size_t {
  hidden_states_input,
  weights_input,
  temperature_input,
  seed_input,
  offset_input,
  row_slot_input,
  num_rows_input,
  invalid_token_input,
  token_position_input,
  hidden_index_input,
  input_sources
};
enum OutputSource : size_t { token_output, logprob_output, status_output, any_status_output, output_sources };

/// Which source each of a sampling Program's inputs and outputs is bound to: found once, so that a launch
/// only fills arrays.
class SamplingBindings {
 public:
  /// Throws Error(internal) for a Program that asks for something else.
  explicit SamplingBindings(const Program& program);

  struct Arrays {
    std::array<Binding, input_sources> inputs;
    std::array<Binding, output_sources> outputs;
    size_t input_count = 0;
    size_t output_count = 0;
  };
  /// The bindings in the Program's order.
  Arrays bind(const SampleArgs& args, int64_t hidden_row_stride, const void* weights,
              int64_t weights_row_stride) const noexcept;

 private:
  template <size_t kCount>
  struct Order {
    std::array<size_t, kCount> source{};
    size_t count = 0;
  };
  Order<input_sources> inputs_;
  Order<output_sources> outputs_;
};

}  // namespace gumtile::engine
