#include <algorithm>
#include <array>

#include "gumtile/programs.h"

namespace gumtile {
namespace {

using Options = SamplingOptions;

constexpr std::array kPrograms = {
    BuiltinProgram{"lm_head_sample", [](const Options& o, DType) { return lm_head_sample(o); }, true},
    BuiltinProgram{"sample_logits", [](const Options& o, DType) { return sample_logits(o); }, true},
    BuiltinProgram{"greedy_argmax",
                   [](const Options& o, DType) { return greedy_argmax(o.hidden_dtype, o.weights_dtype); }},
    BuiltinProgram{
        "gemm", [](const Options& o, DType output) { return gemm(o.hidden_dtype, o.weights_dtype, output); }},
    BuiltinProgram{"row_statistics",
                   [](const Options& o, DType) { return row_statistics(o.hidden_dtype, o.weights_dtype); }},
    BuiltinProgram{"cross_entropy",
                   [](const Options& o, DType) { return cross_entropy(o.hidden_dtype, o.weights_dtype); }},
};

}  // namespace

std::span<const BuiltinProgram> builtin_programs() { return kPrograms; }

const BuiltinProgram* find_builtin_program(std::string_view name) {
  const auto found = std::find_if(kPrograms.begin(), kPrograms.end(),
                                  [&](const BuiltinProgram& program) { return program.name == name; });
  return found == kPrograms.end() ? nullptr : &*found;
}

}  // namespace gumtile
