#pragma once

#include <cstdint>
#include <string>

#include "gumtile/dtype.h"

namespace gumtile::tools {

/// What a model's `config.json` says of its LM head.
struct ModelConfig {
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  DType dtype = DType::bf16;
};

/// Reads `folder`/config.json as Hugging Face's transformers writes it: members of the outer object or, for
/// models that also take images or sound, of `text_config`; `torch_dtype` or `dtype`, bfloat16 where neither
/// is there. Throws Error: io where the file is missing or cannot be read, bad_data naming what it lacks.
ModelConfig read_model_config(const std::string& folder);

}  // namespace gumtile::tools
