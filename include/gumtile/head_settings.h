#pragma once

#include <optional>

#include "gumtile/dtype.h"

namespace gumtile {

// clang-format off
// BEGIN generated: HeadSettings, from src/head/fields.cpp
/// What a head does to all of its logits; zero and null mean not at all. Arrays are memory of the head's
/// device, borrowed like its weights; a head has those whose types are set.
struct HeadSettings {
  /// [vocab_size]: added to the logits of all rows; null: none
  const void* bias = nullptr;
  std::optional<DType> bias_dtype;
  /// logits become softcap * tanh(logit / softcap), after the bias; 0: none
  float softcap = 0;
  /// a factor of the logits, after bias and softcap; 0: none
  float logit_scale = 0;

  bool operator==(const HeadSettings&) const = default;
};
// END generated: HeadSettings
// clang-format on

}  // namespace gumtile
