#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "gumtile/dtype.h"
#include "gumtile/head_settings.h"
#include "logit_members.h"

namespace gumtile::io {

/// A size from a config.json, or why there is none.
struct ConfigSize {
  std::optional<int64_t> value;
  std::string fault;  ///< why there is no value: "has no 'vocab_size'"
};

/// What a model's `config.json` says about its LM head. Members are looked for in the object of the text
/// model (`text_config`, `llm_config`, `thinker_config.text_config`, …) first, then in those around it.
struct ModelConfig {
  std::string path;
  ConfigSize vocab_size;   ///< or n_vocab, …
  ConfigSize hidden_size;  ///< or n_embd, d_model, …
  /// The width of embedding and head if it is not the hidden size (OPT).
  std::optional<int64_t> embedding_width;
  std::optional<DType> dtype;  ///< of torch_dtype or dtype; none for a type that is not bf16, f16 or f32
  std::string dtype_text;      ///< as written; empty if there is no such member
  /// tie_word_embeddings, false if any of the objects says so.
  std::optional<bool> tied;
  /// The member of quantization_config by which the head is quantised; empty if none is.
  std::string quantised_head;
  /// The numbers that the configuration has for the head; it says nothing about arrays.
  HeadSettings settings;
  std::vector<LogitMember> logit_members;  ///< what else changes logits
};

/// Reads a config.json as Hugging Face's transformers writes it. Throws `io` if `path` cannot be read and
/// `bad_data` if it is not JSON. Members that are missing or make no sense are reported only when they are
/// needed.
ModelConfig read_model_config(const std::string& path);

/// Says that gumtile does not apply the `logit_members`, one sentence per member.
std::vector<std::string> unapplied_notes(const ModelConfig& config);

/// The config.json that belongs to the file or folder `path`; it may not be there.
std::string config_path_beside(const std::string& path);

}  // namespace gumtile::io
