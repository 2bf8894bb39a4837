#include "head_lookup.h"

#include <algorithm>
#include <utility>

#include "fault.h"
#include "head_names.h"
#include "lookup.h"

namespace gumtile::io {
namespace {

using Names = std::vector<std::string>;

template <typename Predicate>
Names names_that(const Names& names, Predicate holds) {
  Names out;
  std::ranges::copy_if(names, std::back_inserter(out), holds);
  return out;
}

/// "'lm_head.weight' (I8 [64, 16])"
std::string described(const TensorCatalog& tensors, const std::string& name) {
  const StoredTensor* tensor = tensors.try_describe(name);
  return tensor == nullptr
             ? in_quotes(name)
             : fmt::format("{} ({} {})", in_quotes(name), tensor->type->name, shape_text(tensor->shape));
}

std::string described(const TensorCatalog& tensors, const Names& names) {
  constexpr size_t kMost = 6;
  std::string out;
  for (size_t i = 0; i < std::min(names.size(), kMost); ++i)
    out += (i == 0 ? "" : ", ") + described(tensors, names[i]);
  if (names.size() > kMost) out += fmt::format(" and {} more", names.size() - kMost);
  return out;
}

/// Whether a tensor changes the logits after the product: the head's matrix is complete without it.
bool changes_logits(std::string_view name) { return is_bias(name) || is_logit_factor(name); }

/// One lookup: the tensors and what the configuration says about them.
class Lookup {
 public:
  Lookup(const TensorCatalog& tensors, const ModelConfig* config)
      : tensors_(tensors), config_(config), embedding_(find_embedding()) {}

  HeadChoice find() {
    if (const auto head = plain_head()) {
      check_plain_head(*head);
      return {*head, std::move(notes_)};
    }
    if (const auto head = other_head()) {
      note("has no lm_head.weight; took {} as the head, by its name and shape", described(tensors_, *head));
      return {*head, std::move(notes_)};
    }
    refuse_other_heads();
    if (is_lone_shard(tensors_.path()))
      bad_file(
          tensors_.path(),
          "has no lm_head.weight, but is one shard of several, so another may have it; open the folder or "
          "the .safetensors.index.json, or name the tensor as PATH:TENSOR");
    refuse_what_config_contradicts();
    if (!embeddings_.empty()) return {tied_embedding(), std::move(notes_)};
    return {only_matrix(), std::move(notes_)};
  }

 private:
  template <typename... Args>
  void note(fmt::format_string<Args...> format, Args&&... args) {
    notes_.push_back(in_quotes(tensors_.path()) + " " + fmt::vformat(format, fmt::make_format_args(args...)));
  }

  /// Throws `bad_data`: what was found, and that the user may name a tensor.
  [[noreturn]] void refuse(const std::string& found) const {
    bad_file(tensors_.path(), "{}; name the head's tensor as PATH:TENSOR to take it nevertheless", found);
  }

  std::optional<int64_t> vocab_size() const { return config_ ? config_->vocab_size.value : std::nullopt; }
  std::optional<int64_t> hidden_size() const { return config_ ? config_->hidden_size.value : std::nullopt; }

  /// The token embeddings by their names; only those with the most common names, if there are any.
  static Names embeddings_of(const Names& names) {
    if (std::ranges::find(names, "model.embed_tokens.weight") != names.end())
      return {"model.embed_tokens.weight"};
    Names all = names_that(names, is_token_embedding);
    Names usual = names_that(all, [](const std::string& name) {
      const std::string_view module = module_of(name);
      return module.ends_with("embed_tokens") || module.ends_with("wte");
    });
    return usual.empty() ? all : usual;
  }

  /// The embedding with whose shape the head's is compared; null if that is not known.
  const StoredTensor* find_embedding() {
    embeddings_ = embeddings_of(tensors_.names());
    if (embeddings_.size() != 1) return nullptr;
    const StoredTensor* embedding = tensors_.try_describe(embeddings_.front());
    return embedding != nullptr && embedding->is_readable_matrix() ? embedding : nullptr;
  }

  std::optional<std::string> plain_head() const {
    if (tensors_.has("lm_head.weight")) return "lm_head.weight";
    const Names heads = names_that(tensors_.names(), is_plain_head);
    if (heads.size() > 1)
      bad_file(tensors_.path(), "has several tensors that may be the head: {}; name one as {}:TENSOR",
               described(tensors_, heads), tensors_.path());
    return heads.empty() ? std::nullopt : std::optional(heads.front());
  }

  void expect_readable(const std::string& name, const char* what) const {
    const StoredTensor& tensor = tensors_.describe(name);
    if (tensor.type->is_readable() && tensor.shape.size() == 2) return;
    bad_file(tensors_.path(),
             "{} {} cannot be read, expected a matrix of one of {}; {} it first, or name another tensor as "
             "PATH:TENSOR",
             what, described(tensors_, name), readable_dtypes(),
             tensor.type->is_readable() ? "reshape" : "convert");
  }

  void expect_nothing_beside(const std::string& name, const char* what) const {
    const Names parts = names_that(parts_beside(tensors_, name),
                                   [](const std::string& part) { return !changes_logits(part); });
    if (!parts.empty())
      refuse(fmt::format("{} is {}, but has {} beside it, without which it is not complete", what,
                         described(tensors_, name), described(tensors_, parts)));
  }

  bool is_transposed(const StoredTensor& head, std::optional<int64_t> vocab,
                     std::optional<int64_t> hidden) const {
    return vocab && hidden && *vocab != *hidden && head.shape[0] == *hidden && head.shape[1] == *vocab;
  }

  /// Checks that the shape is [vocab, hidden], as far as the embedding or the configuration say.
  void check_shape(const std::string& name) const {
    const StoredTensor& head = tensors_.describe(name);
    bool transposed = is_transposed(head, vocab_size(), hidden_size());
    if (embedding_ != nullptr)
      transposed = transposed || is_transposed(head, embedding_->shape[0], embedding_->shape[1]);
    if (transposed)
      refuse(fmt::format("the head {} is transposed, expected [vocab_size, hidden_size]",
                         described(tensors_, name)));
    if (embedding_ != nullptr && head.shape[0] < embedding_->shape[0] && head.shape[0] != vocab_size())
      refuse(
          fmt::format("the head {} has fewer rows than the embedding {}, so that it is not of the whole "
                      "vocabulary",
                      described(tensors_, name), described(tensors_, embeddings_.front())));
  }

  void check_plain_head(const std::string& name) {
    expect_readable(name, "the head");
    expect_nothing_beside(name, "the head");
    check_shape(name);
    if (embedding_ == nullptr) return;
    const StoredTensor& head = tensors_.describe(name);
    if (head.shape[1] != embedding_->shape[1] && head.shape[1] != hidden_size())
      note("has the head {} and the embedding {} of another width; the head is taken",
           described(tensors_, name), described(tensors_, embeddings_.front()));
    if (head.shape[0] > embedding_->shape[0] && !vocab_size())
      note(
          "has the head {} with more rows than the embedding {}; --vocab-size leaves rows out that are "
          "padding",
          described(tensors_, name), described(tensors_, embeddings_.front()));
  }

  bool fits_config(const StoredTensor& matrix) const {
    return (!vocab_size() || matrix.shape[0] >= *vocab_size()) &&
           (!hidden_size() || matrix.shape[1] == *hidden_size());
  }

  /// A matrix under another name that is certainly the head: it has the embedding's shape, else the
  /// configuration's, else it is the only one.
  std::optional<std::string> other_head() const {
    const Names heads = names_that(tensors_.names(), may_be_head_part);
    const Names matrices = names_that(heads, [&](const std::string& name) {
      if (!is_other_head_matrix(name)) return false;
      const StoredTensor* tensor = tensors_.try_describe(name);
      if (tensor == nullptr || !tensor->is_readable_matrix()) return false;
      if (embedding_ != nullptr) return tensor->shape == embedding_->shape;
      const bool is_alone = tensors_.names().size() == 1;
      return embeddings_.empty() && fits_config(*tensor) && (is_alone || (vocab_size() && hidden_size()));
    });
    if (matrices.size() != 1) return std::nullopt;
    const bool has_others = std::ranges::any_of(
        heads, [&](const std::string& name) { return name != matrices.front() && !is_bias(name); });
    return has_others ? std::nullopt : std::optional(matrices.front());
  }

  /// Matrices outside of the layers that have the shape of the embedding or its transpose, and a name that
  /// does not say what they are.
  Names like_embedding() const {
    if (embedding_ == nullptr) return {};
    const std::vector<int64_t> upright = embedding_->shape;
    const std::vector<int64_t> transposed = {upright[1], upright[0]};
    return names_that(tensors_.names(), [&](const std::string& name) {
      if (is_in_layer(name) || is_any_embedding(name) || is_never_head(name)) return false;
      const StoredTensor* tensor = tensors_.try_describe(name);
      return tensor != nullptr && (tensor->shape == upright || tensor->shape == transposed);
    });
  }

  void refuse_other_heads() {
    const bool is_tied = config_ != nullptr && config_->tied == true;
    Names others = names_that(tensors_.names(), may_be_head_part);
    const bool has_head_part = std::ranges::any_of(
        others, [&](const std::string& name) { return is_head_part(name) && !(is_tied && is_bias(name)); });
    if (has_head_part)
      refuse(
          fmt::format("has no lm_head.weight that can be read, but {} of a head in another form (quantised, "
                      "adapted, wrapped or under another name)",
                      described(tensors_, others)));
    std::erase_if(others, changes_logits);  // reported with the other parts that are not applied
    if (!embeddings_.empty()) std::ranges::copy(like_embedding(), std::back_inserter(others));
    const bool is_only_matrix = embeddings_.empty() && others == tensors_.readable_matrices();
    if (others.empty() || is_only_matrix) return;  // only_matrix() decides
    if (!is_tied)
      refuse(fmt::format("has no lm_head.weight, but {}, which may be the head or that of another model",
                         described(tensors_, others)));
    note("has {}, which is left out, since config.json says that the head is the embedding",
         described(tensors_, others));
  }

  void refuse_what_config_contradicts() const {
    if (config_ == nullptr) return;
    if (!config_->quantised_head.empty())
      refuse(fmt::format("has no lm_head.weight, and {} says that the head is quantised ('{}')",
                         in_quotes(config_->path), config_->quantised_head));
    if (config_->tied == false && !embeddings_.empty())
      refuse(
          fmt::format("has no lm_head.weight, and {} says that the head is not the embedding "
                      "(tie_word_embeddings is false), so that the head is missing; the embedding is {}",
                      in_quotes(config_->path), described(tensors_, embeddings_)));
  }

  std::string tied_embedding() {
    if (embeddings_.size() > 1)
      bad_file(tensors_.path(), "has several tensors that may be the head: {}; name one as {}:TENSOR",
               described(tensors_, embeddings_), tensors_.path());
    const std::string& name = embeddings_.front();
    expect_readable(name, "the embedding");
    expect_nothing_beside(name, "the embedding that the head is tied to");
    check_shape(name);
    if (config_ == nullptr || !config_->tied)
      note(
          "has no lm_head.weight; took the embedding {}, as for a head that is tied to it, although {} says "
          "so",
          described(tensors_, name),
          config_ == nullptr ? "no config.json beside it" : "no tie_word_embeddings in config.json");
    return name;
  }

  /// The head if names do not identify it: the only matrix, unless its name says that it is something else.
  std::string only_matrix() {
    const Names matrices = tensors_.readable_matrices();
    if (matrices.empty())
      bad_file(tensors_.path(),
               "has no lm_head.weight, no token embedding and no matrix of dtype {}, expected one of these",
               readable_dtypes());
    if (matrices.size() > 1)
      bad_file(tensors_.path(),
               "has no lm_head.weight and several matrices that may be the head: {}; name one as PATH:TENSOR",
               described(tensors_, matrices));
    const std::string& name = matrices.front();
    if (is_never_head(name) || is_any_embedding(name))
      refuse(fmt::format("has {} alone, which is not a language model's head by its name",
                         described(tensors_, name)));
    const StoredTensor& matrix = tensors_.describe(name);
    check_shape(name);
    if (!fits_config(matrix))
      refuse(fmt::format("has {} alone, which is not a head of the vocab_size and hidden_size in {}",
                         described(tensors_, name), in_quotes(config_->path)));
    note("has no tensor that is named as a head; took its only matrix, {}", described(tensors_, name));
    return name;
  }

  const TensorCatalog& tensors_;
  const ModelConfig* config_;
  Names embeddings_;
  const StoredTensor* embedding_;  ///< the only one of `embeddings_`; null if it cannot be read
  Names notes_;
};

}  // namespace

HeadChoice find_head(const TensorCatalog& tensors, const ModelConfig* config) {
  return Lookup(tensors, config).find();
}

std::vector<std::string> parts_beside(const TensorCatalog& tensors, const std::string& tensor) {
  // If a tensor is not a module's weight, its neighbours are other modules.
  const std::string_view module = tensor.ends_with(".weight") ? module_of(tensor) : std::string_view();
  return names_that(tensors.names(), [&](const std::string& name) {
    if (name == tensor) return false;
    const bool is_of_same_module = !module.empty() && name.size() > module.size() &&
                                   name.starts_with(module) && name[module.size()] == '.';
    return is_of_same_module || name.starts_with(tensor + ".") || name.starts_with(tensor + "_") ||
           (changes_logits(name) && may_be_head_part(name));
  });
}

}  // namespace gumtile::io
