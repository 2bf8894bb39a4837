#include "head/fragments.h"

#include <array>

namespace gumtile::head {
namespace {

// The list: a feature is a line here, or two if it takes part in two stages.
constexpr std::array kFragments = {
    BuiltinFragment{"temperature", Stage::scores, build_temperature},
    BuiltinFragment{"score", Stage::candidates, carry_score, feature_logprob},
    BuiltinFragment{"gumbel", Stage::choice, build_gumbel},
    BuiltinFragment{"token", Stage::results, build_token},
    BuiltinFragment{"logprob", Stage::results, build_logprob, feature_logprob},
    BuiltinFragment{"status", Stage::results, build_status},
};

}  // namespace

std::span<const BuiltinFragment> builtin_fragments() { return kFragments; }

}  // namespace gumtile::head
