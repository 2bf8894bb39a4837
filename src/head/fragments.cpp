#include "head/fragments.h"

#include <array>

namespace gumtile::head {
namespace {

// The list: a feature is a line here, or two if it takes part in two stages.
constexpr std::array kFragments = {
    BuiltinFragment{"temperature", HeadStage::scores, build_temperature},
    BuiltinFragment{"score", HeadStage::candidates, carry_score, feature_logprob},
    BuiltinFragment{"gumbel", HeadStage::choice, build_gumbel},
    BuiltinFragment{"token", HeadStage::results, build_token},
    BuiltinFragment{"logprob", HeadStage::results, build_logprob, feature_logprob},
    BuiltinFragment{"status", HeadStage::results, build_status},
};

}  // namespace

std::span<const BuiltinFragment> builtin_fragments() { return kFragments; }

}  // namespace gumtile::head
