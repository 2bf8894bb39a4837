#include "tools/sample_inputs.h"

#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "tools/options.h"
#include "tools/synthetic.h"

namespace gumtile::tools {
namespace {

/// "file.safetensors (tensor 'lm_head.weight')"
std::string describe(const TensorFile& file) {
  return file.name().empty() ? fmt::format("'{}'", file.path())
                             : fmt::format("'{}' (tensor '{}')", file.path(), file.name());
}

PlacedMatrix place(const std::shared_ptr<Engine>& engine, const TensorFile& file) {
  const TensorView& view = file.view();
  if (!engine->device().target.is_cuda()) return {view.data, std::nullopt};
  DeviceArray copy(engine, view.size_bytes);
  if (view.size_bytes != 0) engine->copy_to_device(copy.data(), view.data, view.size_bytes);
  const void* data = copy.data();
  return {data, std::move(copy)};
}

PlacedMatrix place(DeviceArray array) {
  const void* data = array.data();
  return {data, std::move(array)};
}

/// Without a name a file's LM head is taken, which for hidden states is never what was meant.
void refuse_head_as_hidden_states(const InputOptions& options, const TensorFile& hidden_states) {
  if (split_path_and_tensor(options.hidden_states).tensor) return;
  for (const char* head : {"lm_head.weight", "embed_tokens.weight", "wte.weight"})
    if (hidden_states.name().ends_with(head))
      throw Error(ErrorCode::usage,
                  fmt::format("--hidden-states: without a name the tensor taken from '{}' would be '{}', a "
                              "model's head; name the hidden states as PATH:TENSOR",
                              options.hidden_states, hidden_states.name()));
}

void open_files(const InputOptions& options, SampleInputs& inputs) {
  const TensorFileOptions file_options{options.npy_u16_is_bf16};
  inputs.weights = open_tensor(options.weights, file_options);
  inputs.hidden_states = open_tensor(options.hidden_states, file_options);
  refuse_head_as_hidden_states(options, *inputs.hidden_states);
  const TensorView& weights = inputs.weights->view();
  const TensorView& hidden = inputs.hidden_states->view();
  expect_matrix(weights, fmt::format("the weights in {}", describe(*inputs.weights)));
  expect_matrix(hidden, fmt::format("the hidden states in {}", describe(*inputs.hidden_states)));
  if (weights.shape[1] != hidden.shape[1])
    throw Error(ErrorCode::bad_data,
                fmt::format("the weights in {} have hidden size {}, but the hidden states in {} have {}",
                            describe(*inputs.weights), weights.shape[1], describe(*inputs.hidden_states),
                            hidden.shape[1]));
  if (weights.shape[0] == 0 || weights.shape[1] == 0)
    throw Error(ErrorCode::bad_data,
                fmt::format("the weights in {} are empty: their shape is [{}, {}]", describe(*inputs.weights),
                            weights.shape[0], weights.shape[1]));
  inputs.vocab_size = weights.shape[0];
  inputs.hidden_size = weights.shape[1];
  inputs.rows = hidden.shape[0];
  inputs.weights_dtype = weights.dtype;
  inputs.hidden_dtype = hidden.dtype;
}

void describe_synthetic(const InputOptions& options, SampleInputs& inputs) {
  const SyntheticShape shape = parse_synthetic(options.synthetic);
  inputs.vocab_size = shape.vocab_size;
  inputs.hidden_size = shape.hidden_size;
  inputs.rows = shape.rows;
  if (!options.dtype.empty()) inputs.weights_dtype = parse_matrix_dtype("--dtype", options.dtype);
  inputs.hidden_dtype = options.hidden_dtype.empty()
                            ? inputs.weights_dtype
                            : parse_matrix_dtype("--hidden-dtype", options.hidden_dtype);
}

}  // namespace

SampleInputs open_inputs(const InputOptions& options) {
  const auto require = [](bool holds, const char* message) {
    if (!holds) throw Error(ErrorCode::usage, message);
  };
  SampleInputs inputs;
  if (!options.synthetic.empty()) {
    require(options.weights.empty() && options.hidden_states.empty(),
            "--synthetic stands for --weights and --hidden-states; give one or the other");
    describe_synthetic(options, inputs);
    return inputs;
  }
  require(!options.weights.empty() && !options.hidden_states.empty(),
          "give --weights FILE[:TENSOR] and --hidden-states FILE[:TENSOR], or --synthetic VxK[xB]");
  require(options.dtype.empty() && options.hidden_dtype.empty(),
          "--dtype and --hidden-dtype are for --synthetic; a file's own types are used as they are");
  open_files(options, inputs);
  return inputs;
}

PlacedMatrix place_weights(const std::shared_ptr<Engine>& engine, const SampleInputs& inputs) {
  if (inputs.weights) return place(engine, *inputs.weights);
  const float scale = 1.0f / std::sqrt(static_cast<float>(inputs.hidden_size));
  return place(
      synthetic_array(engine, inputs.vocab_size * inputs.hidden_size, inputs.weights_dtype, 0, scale));
}

PlacedMatrix place_hidden_states(const std::shared_ptr<Engine>& engine, const SampleInputs& inputs) {
  if (inputs.hidden_states) return place(engine, *inputs.hidden_states);
  return place(synthetic_array(engine, inputs.rows * inputs.hidden_size, inputs.hidden_dtype, 1, 1.0f));
}

}  // namespace gumtile::tools
