#include "runtime/engine/sampling_bindings.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "gumtile/error.h"

namespace gumtile::engine {
namespace {

constexpr std::array<std::string_view, input_sources> kInputNames = {
    "hidden_states", "weights",  "temperature",   "seed",           "offset",
    "row_slot",      "num_rows", "invalid_token", "token_position", "hidden_index"};
constexpr std::array<std::string_view, output_sources> kOutputNames = {"token", "logprob", "status",
                                                                       "any_status"};

template <typename Order, typename Infos, typename Names>
Order find_order(const Infos& infos, const Names& names) {
  Order order;
  for (const auto& info : infos) {
    const auto found = std::find(names.begin(), names.end(), info.name);
    if (found == names.end() || order.count == names.size())
      throw Error(ErrorCode::internal, fmt::format("the sampling Program has an unexpected '{}'", info.name));
    order.source[order.count++] = static_cast<size_t>(found - names.begin());
  }
  return order;
}

Binding readable(const void* data, int64_t row_stride = 0) { return {const_cast<void*>(data), row_stride}; }

}  // namespace

SamplingBindings::SamplingBindings(const Program& program)
    : inputs_(find_order<Order<input_sources>>(program.inputs, kInputNames)),
      outputs_(find_order<Order<output_sources>>(program.outputs, kOutputNames)) {}

SamplingBindings::Arrays SamplingBindings::bind(const SampleArgs& args, int64_t hidden_row_stride,
                                                const void* weights,
                                                int64_t weights_row_stride) const noexcept {
  std::array<Binding, input_sources> inputs;
  inputs[hidden_states_input] = readable(args.hidden_states, hidden_row_stride);
  inputs[weights_input] = readable(weights, weights_row_stride);
  inputs[temperature_input] = readable(args.temperature);
  inputs[seed_input] = readable(args.seed);
  inputs[offset_input] = readable(args.offset);
  inputs[row_slot_input] = readable(args.row_slot);
  inputs[num_rows_input] = readable(args.num_rows);
  inputs[invalid_token_input] = readable(args.invalid_token);
  inputs[token_position_input] = readable(args.token_position);
  inputs[hidden_index_input] = readable(args.hidden_index);
  std::array<Binding, output_sources> outputs;
  outputs[token_output] = {args.token != nullptr ? static_cast<void*>(args.token) : args.token_i64, 0};
  outputs[logprob_output] = {args.logprob, 0};
  outputs[status_output] = {args.status, 0};
  outputs[any_status_output] = {args.any_status, 0};

  Arrays arrays;
  arrays.input_count = inputs_.count;
  arrays.output_count = outputs_.count;
  for (size_t i = 0; i < inputs_.count; ++i) arrays.inputs[i] = inputs[inputs_.source[i]];
  for (size_t i = 0; i < outputs_.count; ++i) arrays.outputs[i] = outputs[outputs_.source[i]];
  return arrays;
}

}  // namespace gumtile::engine
