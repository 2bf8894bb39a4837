#pragma once

#include <string>
#include <vector>

#include "model_config.h"
#include "tensor_catalog.h"

namespace gumtile::io {

struct HeadChoice {
  std::string tensor;
  std::vector<std::string> notes;  ///< how it was chosen, if its name does not say so
};

/// The language model's head among the tensors of a model; `config`: its config.json, null if it has none.
/// Throws `bad_data` with the tensors in question unless one of them is certainly the head.
HeadChoice find_head(const TensorCatalog& tensors, const ModelConfig* config);

/// Parts of a head beside `tensor` that are not in it: its bias, another bias of the head, the parts of
/// a quantised or adapted matrix.
std::vector<std::string> parts_beside(const TensorCatalog& tensors, const std::string& tensor);

}  // namespace gumtile::io
