#include "tools/sample_inputs.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <span>
#include <utility>

#include "head/fields.h"
#include "head/settings.h"
#include "tools/model_head.h"
#include "tools/options.h"
#include "tools/synthetic.h"

namespace gumtile::tools {
namespace {

/// Reads a byte of every page, so that a truncated file ends the command here, with its name, and not in a
/// driver that copies for a device.
void touch_pages(std::span<const std::byte> bytes) {
  constexpr size_t kPage = 4096;
  const auto touch = [&](size_t i) { static_cast<void>(*static_cast<const volatile std::byte*>(&bytes[i])); };
  for (size_t i = 0; i < bytes.size(); i += kPage) touch(i);
  touch(bytes.size() - 1);
}

DeviceArray copy_of(const std::shared_ptr<Engine>& engine, const TensorFile& file,
                    std::span<const std::byte> bytes) {
  constexpr size_t kPart = size_t{64} << 20;
  DeviceArray copy(engine, bytes.size());
  for (size_t done = 0; done < bytes.size(); done += kPart) {
    const std::span<const std::byte> part = bytes.subspan(done, std::min(kPart, bytes.size() - done));
    touch_pages(part);
    try {
      engine->copy_to_device(copy.as<std::byte>() + done, part.data(), part.size());
    } catch (const Error&) {
      file.expect_whole();  // if truncation is the reason
      throw;
    }
  }
  return copy;
}

/// `rows` rows of a matrix, from `first_row` on.
PlacedMatrix place(const std::shared_ptr<Engine>& engine, const TensorFile& file, int64_t first_row,
                   int64_t rows) {
  const TensorView& view = file.view();
  const auto row_bytes = static_cast<size_t>(view.shape[1]) * size_bytes(view.dtype);
  const std::span<const std::byte> bytes(view.data + static_cast<size_t>(first_row) * row_bytes,
                                         static_cast<size_t>(rows) * row_bytes);
  if (!engine->device().target.is_cuda()) return {bytes.data(), std::nullopt};
  DeviceArray copy = copy_of(engine, file, bytes);
  const auto* data = copy.as<std::byte>();
  return {data, std::move(copy)};
}

PlacedMatrix place(DeviceArray array) {
  const auto* data = array.as<std::byte>();
  return {data, std::move(array)};
}

/// The rows that are sampled from, of `rows` rows of which `tokens` are not padding.
void take_range(const InputOptions& options, int64_t tokens, int64_t rows, const std::string& weights,
                SampleInputs& inputs) {
  const int64_t first = options.first_token;
  const int64_t most = options.vocab_size == 0 ? tokens : rows;
  if (first >= most || options.vocab_size > most - first)
    throw Error(
        ErrorCode::usage,
        fmt::format("{} has {} rows for tokens, but --first-token {}{} asks for others", weights, most, first,
                    options.vocab_size == 0 ? "" : fmt::format(" with --vocab-size {}", options.vocab_size)));
  inputs.first_token = first;
  inputs.vocab_size = options.vocab_size == 0 ? tokens - first : options.vocab_size;
}

/// Opens the vectors that options name, instead of the model's.
void open_arrays(const InputOptions& options, const TensorFileOptions& file_options, SampleInputs& inputs) {
  for (size_t i = 0; i < options.settings.arrays.size(); ++i) {
    const std::string& text = options.settings.arrays[i];
    if (text.empty() || text == "none") continue;
    const head::ArraySetting& array = head::array_settings()[i];
    PathAndTensor named = split_path_and_tensor(text);
    if (!named.tensor && !named.path.ends_with(".npy"))
      named.tensor = fmt::format("lm_head.{}", head::find_head_option(array.name)->tensor);
    const TensorFile& file = inputs.arrays.emplace_back(
        named.tensor ? open_safetensors(named.path, named.tensor) : open_tensor(text, file_options));
    const TensorView& view = file.view();
    const int64_t rows = inputs.weights->view().shape[0];
    const size_t elements = view.size_bytes / size_bytes(view.dtype);
    if (view.shape.empty() || elements != static_cast<size_t>(rows) || view.shape.back() != rows)
      throw Error(ErrorCode::bad_data,
                  fmt::format("the {} in {} has shape [{}]; expected [{}], an element for each row of the "
                              "weights in {}",
                              array.name, describe(file), fmt::join(view.shape, ", "), rows,
                              describe(*inputs.weights)));
    array.set(inputs.settings, view.data, view.dtype);
  }
}

void open_files(const InputOptions& options, SampleInputs& inputs) {
  const TensorFileOptions file_options{options.npy_u16_is_bf16};
  LmHeadFile head = open_lm_head(options.weights, file_options);
  tell_notes(head, options.vocab_size != 0);
  inputs.weights = std::move(head.weights);
  inputs.hidden_states = open_hidden_states(options.hidden_states, file_options);
  const TensorView& weights = inputs.weights->view();
  const TensorView& hidden = inputs.hidden_states->view();
  expect_matrix(hidden, fmt::format("the hidden states in {}", describe(*inputs.hidden_states)));
  if (weights.shape[1] != hidden.shape[1])
    throw Error(ErrorCode::bad_data,
                fmt::format("the weights in {} have hidden size {}, but the hidden states in {} have {}",
                            describe(*inputs.weights), weights.shape[1], describe(*inputs.hidden_states),
                            hidden.shape[1]));
  take_range(options, head.vocab_size, weights.shape[0], describe(*inputs.weights), inputs);
  inputs.hidden_size = weights.shape[1];
  inputs.rows = hidden.shape[0];
  inputs.weights_dtype = weights.dtype;
  inputs.hidden_dtype = hidden.dtype;
  inputs.settings = override_settings(options.settings, ArrayValue::file, head.settings);
  inputs.arrays = std::move(head.arrays);
  open_arrays(options, file_options, inputs);
}

void describe_synthetic(const InputOptions& options, SampleInputs& inputs) {
  const SyntheticShape shape = parse_synthetic(options.synthetic);
  take_range(options, shape.vocab_size, shape.vocab_size, "--synthetic " + options.synthetic, inputs);
  inputs.synthetic_tokens = shape.vocab_size;
  inputs.hidden_size = shape.hidden_size;
  inputs.rows = shape.rows;
  if (!options.dtype.empty()) inputs.weights_dtype = parse_matrix_dtype("--dtype", options.dtype);
  inputs.hidden_dtype = options.hidden_dtype.empty()
                            ? inputs.weights_dtype
                            : parse_matrix_dtype("--hidden-dtype", options.hidden_dtype);
  inputs.settings = override_settings(options.settings, ArrayValue::type, {});
}

}  // namespace

std::string describe(const TensorFile& file) {
  return describe(ModelHead{.file = file.path(), .tensor = file.name()});
}

Json origin_json(const std::optional<TensorFile>& file) {
  return origin_json(file ? ModelHead{.file = file->path(), .tensor = file->name()} : ModelHead());
}

void SampleInputs::expect_whole_files() const {
  if (weights) weights->expect_whole();
  if (hidden_states) hidden_states->expect_whole();
  for (const TensorFile& array : arrays) array.expect_whole();
}

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
  if (inputs.weights) return place(engine, *inputs.weights, inputs.first_token, inputs.vocab_size);
  const float scale = 1.0f / std::sqrt(static_cast<float>(inputs.hidden_size));
  PlacedMatrix all = place(
      synthetic_array(engine, inputs.synthetic_tokens * inputs.hidden_size, inputs.weights_dtype, 0, scale));
  all.data += static_cast<size_t>(inputs.first_token * inputs.hidden_size) * size_bytes(inputs.weights_dtype);
  return all;
}

PlacedSettings place_settings(const std::shared_ptr<Engine>& engine, const SampleInputs& inputs) {
  PlacedSettings placed{inputs.settings, {}};
  if (!inputs.weights) {
    placed.copies = synthetic_arrays(engine, inputs.synthetic_tokens, placed.settings);
  } else if (engine->device().target.is_cuda()) {
    for (const head::ArraySetting& array : head::array_settings())
      for (const TensorFile& file : inputs.arrays)
        if (file.view().data == array.data(inputs.settings)) {
          placed.copies.push_back(copy_of(engine, file, {file.view().data, file.view().size_bytes}));
          array.set(placed.settings, placed.copies.back().data());
        }
  }
  for (const head::ArraySetting& array : head::array_settings())
    if (const void* data = array.data(placed.settings); data != nullptr)
      array.set(placed.settings,
                static_cast<const std::byte*>(data) +
                    static_cast<size_t>(inputs.first_token) * size_bytes(*array.dtype(placed.settings)));
  return placed;
}

PlacedMatrix place_hidden_states(const std::shared_ptr<Engine>& engine, const SampleInputs& inputs) {
  if (inputs.hidden_states) return place(engine, *inputs.hidden_states, 0, inputs.rows);
  return place(synthetic_array(engine, inputs.rows * inputs.hidden_size, inputs.hidden_dtype, 1, 1.0f));
}

}  // namespace gumtile::tools
