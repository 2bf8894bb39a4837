#pragma once

#include <string_view>

/// What a tensor's name says about its part in a language model. A name has components separated by dots; a
/// component has words separated by underscores: "model.layers.0.self_attn.q_proj.weight".
namespace gumtile::io {

/// "lm_head.weight", or the same below the modules that wrap a whole model ("language_model.lm_head.weight");
/// not the head of a draft model, of another modality or of one layer.
bool is_plain_head(std::string_view name);

/// Whether the name is that of a part of the head, in any form: "lm_head.qweight", "output_layer.weight".
bool is_head_part(std::string_view name);

/// Whether the name may be that of a part of the head, or of another head ("score.weight"), outside of the
/// layers and of image and audio parts.
bool may_be_head_part(std::string_view name);

/// Whether the name is that of the head's matrix in models that do not call it lm_head: "output.weight",
/// "gpt_neox.embed_out.weight".
bool is_other_head_matrix(std::string_view name);

bool is_token_embedding(std::string_view name);
bool is_any_embedding(std::string_view name);  ///< of tokens, positions, types

/// Whether the name is that of a vector or scalar that is added to logits.
bool is_bias(std::string_view name);

/// Whether the name is that of a factor or cap of logits: "logit_scale".
bool is_logit_factor(std::string_view name);

/// Whether a matrix of this name belongs to another one or cannot be a head: a scale, a norm, an adapter, a
/// classifier.
bool is_never_head(std::string_view name);

/// Whether the name is that of a part of one of a model's repeated layers.
bool is_in_layer(std::string_view name);

/// `name` without its last component and the dot before it: "lm_head" of "lm_head.weight".
std::string_view module_of(std::string_view name);

}  // namespace gumtile::io
