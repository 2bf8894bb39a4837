#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "gumtile/dtype.h"
#include "gumtile/head_settings.h"
#include "logit_members.h"

namespace gumtile::io {

/// A size that a config.json has, or what it has instead.
struct ConfigSize {
  std::optional<int64_t> value;
  std::string fault;  ///< why there is no value: "has no 'vocab_size'"
};

/// What a model's `config.json` says of its LM head. Members are looked for in the object of the text model
/// (`text_config`, `llm_config`, `thinker_config.text_config`, …) first, then in those around it.
struct ModelConfig {
  std::string path;
  ConfigSize vocab_size;   ///< or n_vocab, …
  ConfigSize hidden_size;  ///< or n_embd, d_model, …
  /// The width of embedding and head where it is not the hidden size (OPT).
  std::optional<int64_t> embedding_width;
  std::optional<DType> dtype;  ///< of torch_dtype or dtype; none for a type that is not bf16, f16 or f32
  std::string dtype_text;      ///< as written; empty if there is no such member
  /// tie_word_embeddings, false if any of the objects says so.
  std::optional<bool> tied;
  /// The member of quantization_config by which the head is quantised; empty if none is.
  std::string quantised_head;
  /// The numbers of a head that the configuration has; of its arrays it says nothing.
  HeadSettings settings;
  std::vector<LogitMember> logit_members;  ///< what else changes logits
};

/// Reads a config.json as Hugging Face's transformers writes it. Throws `io` if `path` cannot be read and
/// `bad_data` if it is not JSON. What is missing or makes no sense in it is none until it is asked for.
ModelConfig read_model_config(const std::string& path);

/// That gumtile does not apply the `logit_members`, a sentence for each.
std::vector<std::string> unapplied_notes(const ModelConfig& config);

/// The config.json that belongs to the file or folder `path`; it may not be there.
std::string config_path_beside(const std::string& path);

}  // namespace gumtile::io
