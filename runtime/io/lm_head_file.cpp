// The LM head of a model: its tensor, and what config.json and the tensors beside it say of it.

#include "lm_head_file.h"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <optional>
#include <system_error>

#include "fault.h"
#include "head_lookup.h"
#include "head_names.h"
#include "lookup.h"
#include "model_config.h"
#include "tensor_catalog.h"

namespace gumtile {
namespace {

using namespace io;

/// The config.json beside `path`, if there is one.
std::optional<ModelConfig> config_beside(const std::string& path) {
  const std::string config = config_path_beside(path);
  std::error_code ignored;
  if (!std::filesystem::exists(config, ignored)) return std::nullopt;
  return read_model_config(config);
}

/// The same for a matrix that the user named, which is taken whatever the configuration is.
std::optional<ModelConfig> config_beside_named(const std::string& path, std::vector<std::string>& notes) {
  try {
    return config_beside(path);
  } catch (const Error& error) {
    notes.push_back(fmt::format("{}; it is left out of account", error.what()));
    return std::nullopt;
  }
}

std::string describe(const TensorFile& file) {
  const std::string shape = shape_text(file.view().shape);
  return file.name().empty() ? fmt::format("{} ({})", in_quotes(file.path()), shape)
                             : fmt::format("tensor {} ({})", in_quotes(file.name()), shape);
}

/// What goes with the tensor and is not applied.
void note_parts(const TensorCatalog& tensors, const std::string& tensor, std::vector<std::string>& notes) {
  const std::vector<std::string> parts = parts_beside(tensors, tensor);
  if (!parts.empty())
    notes.push_back(fmt::format("{}: {} {} beside {} and not applied: logits are those of the matrix alone",
                                in_quotes(tensors.path()), quoted_list(parts),
                                parts.size() == 1 ? "is" : "are", in_quotes(tensor)));
}

/// Where tensor and configuration differ the tensor is right, except that rows past the vocabulary are
/// padding.
void compare(const ModelConfig& config, LmHeadFile& head) {
  const TensorView& view = head.weights.view();
  const auto note = [&](const char* member, const auto& says, const auto& has, const char* what) {
    head.notes.push_back(fmt::format("{}: {} is {}, but {} has {} {}; those of the tensor are taken",
                                     in_quotes(config.path), member, says, describe(head.weights), has,
                                     what));
  };
  const auto vocab_size = config.vocab_size.value;
  if (vocab_size && *vocab_size > view.shape[0]) note("vocab_size", *vocab_size, view.shape[0], "rows");
  if (vocab_size) head.vocab_size = std::min(*vocab_size, view.shape[0]);
  const auto hidden_size = config.hidden_size.value;
  if (hidden_size && *hidden_size != view.shape[1])
    note("hidden_size", *hidden_size, view.shape[1], "columns");
  if (config.dtype && *config.dtype != view.dtype)
    note("the type", in_quotes(config.dtype_text), name(view.dtype), "elements");
}

void expect_head_matrix(const TensorFile& weights) {
  expect_matrix(weights.view(), fmt::format("the weights in {}", describe(weights)));
  const std::vector<int64_t>& shape = weights.view().shape;
  if (shape[0] == 0 || shape[1] == 0)
    throw Error(ErrorCode::bad_data,
                fmt::format("the weights in {}, {}, are empty: expected rows and columns",
                            in_quotes(weights.path()), describe(weights)));
}

LmHeadFile finish(TensorFile weights, std::vector<std::string> notes, const ModelConfig* config) {
  expect_head_matrix(weights);
  const int64_t rows = weights.view().shape[0];
  LmHeadFile head{std::move(weights), rows, std::move(notes)};
  if (config != nullptr) {
    compare(*config, head);
    std::ranges::move(unapplied_notes(*config), std::back_inserter(head.notes));
  }
  return head;
}

const ModelConfig* pointer_to(const std::optional<ModelConfig>& config) {
  return config ? &*config : nullptr;
}

}  // namespace

LmHeadFile io::open_lm_head_in(const std::string& path, const std::optional<std::string>& tensor) {
  const TensorCatalog tensors(path);
  std::vector<std::string> notes;
  std::optional<ModelConfig> config;
  std::string name;
  if (tensor) {
    name = *tensor;
    config = config_beside_named(path, notes);
  } else {
    config = config_beside(path);
    HeadChoice choice = find_head(tensors, pointer_to(config));
    name = std::move(choice.tensor);
    notes = std::move(choice.notes);
  }
  TensorFile weights = tensors.open(name);
  note_parts(tensors, name, notes);
  return finish(std::move(weights), std::move(notes), pointer_to(config));
}

LmHeadFile open_lm_head(const std::string& path_and_tensor, const TensorFileOptions& options) {
  const PathAndTensor split = split_path_and_tensor(path_and_tensor);
  if (!split.path.ends_with(".npy")) return open_lm_head_in(split.path, split.tensor);
  TensorFile weights = open_tensor(path_and_tensor, options);
  std::vector<std::string> notes;
  const auto config = config_beside_named(split.path, notes);
  return finish(std::move(weights), std::move(notes), pointer_to(config));
}

TensorFile open_hidden_states(const std::string& path_and_tensor, const TensorFileOptions& options) {
  const PathAndTensor split = split_path_and_tensor(path_and_tensor);
  if (split.path.ends_with(".npy") || split.tensor) return open_tensor(path_and_tensor, options);
  const TensorCatalog tensors(split.path);
  const std::string name = only_matrix(tensors.readable_matrices(), tensors.path());
  if (is_head_part(name) || is_token_embedding(name))
    throw Error(
        ErrorCode::usage,
        fmt::format("{}: without a name the hidden states taken would be {}, a model's head; name the "
                    "hidden states as PATH:TENSOR",
                    in_quotes(tensors.path()), in_quotes(name)));
  return tensors.open(name);
}

}  // namespace gumtile
