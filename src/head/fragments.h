#pragma once

#include <array>
#include <string_view>

#include "gumtile/head_program.h"

namespace gumtile::head {

/// One of gumtile's own fragments, the parts that sampling Programs are assembled from. Each file in
/// src/head/fragments implements one feature.
struct BuiltinFragment {
  std::string_view name;
  HeadStage stage;
  void (*build)(HeadBuilder&);
  Features features = kNoFeatures;  ///< it is part of heads that have all of these features
};

void build_bias(HeadBuilder& h);
void build_softcap(HeadBuilder& h);
void build_logit_scale(HeadBuilder& h);
void build_temperature(HeadBuilder& h);
void build_gumbel(HeadBuilder& h);
void carry_score(HeadBuilder& h);
void build_token(HeadBuilder& h);
void build_logprob(HeadBuilder& h);
void build_status(HeadBuilder& h);

/// All fragments, in the order in which they run within their stages. A feature has one line here, or two if
/// it takes part in two stages.
inline constexpr std::array kFragments = {
    BuiltinFragment{"bias", HeadStage::logits, build_bias},
    BuiltinFragment{"softcap", HeadStage::logits, build_softcap},
    BuiltinFragment{"logit_scale", HeadStage::logits, build_logit_scale},
    BuiltinFragment{"temperature", HeadStage::scores, build_temperature},
    BuiltinFragment{"score", HeadStage::candidates, carry_score, feature_logprob},
    BuiltinFragment{"gumbel", HeadStage::choice, build_gumbel},
    BuiltinFragment{"token", HeadStage::results, build_token},
    BuiltinFragment{"logprob", HeadStage::results, build_logprob, feature_logprob},
    BuiltinFragment{"status", HeadStage::results, build_status},
};

}  // namespace gumtile::head
