// The LM head of a model: its tensor, and what config.json and the tensors beside it say about it.

#include "lm_head_file.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <optional>
#include <system_error>

#include "fault.h"
#include "head/fields.h"
#include "head/settings.h"
#include "head_lookup.h"
#include "head_names.h"
#include "lookup.h"
#include "model_config.h"
#include "support/format.h"
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

/// The same for a matrix that the user named, which is used whatever the configuration is.
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

/// A vector of `elements` elements, also as a matrix of one row.
bool is_vector_of(const StoredTensor& stored, int64_t elements) {
  return stored.type->is_readable() && !stored.shape.empty() && stored.shape.size() <= 2 &&
         stored.shape.back() == elements && (stored.shape.size() == 1 || stored.shape[0] == 1);
}

/// Whether a member of config.json only says that the head has an array.
bool announces(const head::Field& option, const LogitMember& member) {
  const std::string_view name = std::string_view(member.name).substr(member.name.rfind('.') + 1);
  return std::ranges::any_of(option.config,
                             [&](const head::ConfigMember& known) { return known.name == name; });
}

/// Takes the arrays of a head out of the `parts` beside its tensor: those of its own module, and of "lm_head"
/// if it is tied. Also takes members of the configuration that only say that such an array exists.
void take_arrays(const TensorCatalog& tensors, const std::string& tensor, std::vector<std::string>& parts,
                 std::optional<ModelConfig>& config, LmHeadFile& head) {
  for (const head::ArraySetting& array : head::array_settings()) {
    const head::Field& option = *head::find_head_option(array.name);
    const auto found = std::ranges::find_if(parts, [&](const std::string& part) {
      const std::string module(module_of(part));
      return part == fmt::format("{}.{}", module, option.tensor) &&
             (module == module_of(tensor) || is_plain_head(module + ".weight"));
    });
    if (found == parts.end()) continue;
    const StoredTensor* stored = tensors.try_describe(*found);
    const int64_t rows = head.weights.view().shape[0];
    if (stored == nullptr) continue;
    if (!is_vector_of(*stored, rows)) {
      head.notes.push_back(fmt::format("{}: {} is {} [{}], expected a vector of {} in {}",
                                       in_quotes(tensors.path()), in_quotes(*found), stored->type->name,
                                       fmt::join(stored->shape, ", "), rows, matrix_format_names("or")));
      continue;
    }
    const TensorFile& file = head.arrays.emplace_back(tensors.open(*found));
    array.set(head.settings, file.view().data, file.view().dtype);
    parts.erase(found);
    if (config)
      std::erase_if(config->logit_members, [&](const LogitMember& m) { return announces(option, m); });
  }
}

void note_unapplied(const TensorCatalog& tensors, const std::string& tensor,
                    const std::vector<std::string>& parts, std::vector<std::string>& notes) {
  if (!parts.empty())
    notes.push_back(fmt::format("{}: {} {} beside {} and not applied to the logits",
                                in_quotes(tensors.path()), quoted_list(parts),
                                parts.size() == 1 ? "is" : "are", in_quotes(tensor)));
}

/// If tensor and configuration differ, the tensor is right, except that rows past the vocabulary are padding.
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

LmHeadFile head_of(TensorFile weights, std::vector<std::string> notes,
                   const std::optional<ModelConfig>& config) {
  expect_head_matrix(weights);
  const int64_t rows = weights.view().shape[0];
  LmHeadFile head{.weights = std::move(weights), .vocab_size = rows, .notes = std::move(notes)};
  if (config) head.settings = config->settings;
  return head;
}

LmHeadFile finish(LmHeadFile head, const std::optional<ModelConfig>& config) {
  if (!config) return head;
  compare(*config, head);
  std::ranges::move(unapplied_notes(*config), std::back_inserter(head.notes));
  return head;
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
    HeadChoice choice = find_head(tensors, config ? &*config : nullptr);
    name = std::move(choice.tensor);
    notes = std::move(choice.notes);
  }
  LmHeadFile head = head_of(tensors.open(name), std::move(notes), config);
  std::vector<std::string> parts = parts_beside(tensors, name);
  take_arrays(tensors, name, parts, config, head);
  note_unapplied(tensors, name, parts, head.notes);
  return finish(std::move(head), config);
}

LmHeadFile open_lm_head(const std::string& path_and_tensor, const TensorFileOptions& options) {
  const PathAndTensor split = split_path_and_tensor(path_and_tensor);
  if (!split.path.ends_with(".npy")) return open_lm_head_in(split.path, split.tensor);
  TensorFile weights = open_tensor(path_and_tensor, options);
  std::vector<std::string> notes;
  const auto config = config_beside_named(split.path, notes);
  return finish(head_of(std::move(weights), std::move(notes), config), config);
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
