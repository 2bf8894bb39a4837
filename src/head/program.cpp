#include <fmt/format.h>

#include "gumtile/error.h"
#include "gumtile/programs.h"
#include "head/fragments.h"
#include "head/settings.h"

namespace gumtile {

std::string_view name(NoiseScheme scheme) { return scheme == NoiseScheme::grouped ? "grouped" : "per_token"; }

std::optional<NoiseScheme> parse_noise_scheme(std::string_view text) {
  for (NoiseScheme scheme : {NoiseScheme::per_token, NoiseScheme::grouped})
    if (name(scheme) == text) return scheme;
  return std::nullopt;
}

namespace {

void check(const SamplingOptions& options) {
  if (options.token_dtype != DType::i32 && options.token_dtype != DType::i64)
    throw Error(ErrorCode::usage,
                fmt::format("token_dtype is {}; tokens are i32 or i64", name(options.token_dtype)));
  if ((options.features & ~kAllFeatures) != 0)
    throw Error(ErrorCode::usage,
                fmt::format("feature set {:#x} has bits that stand for nothing; known are {:#x}",
                            options.features, kAllFeatures));
  head::check_settings(options.settings);
}

/// Runs all fragments that the options request, stage by stage, from the logits to the outputs.
void run_fragments(HeadBuilder& h) {
  for (const HeadStage stage :
       {HeadStage::logits, HeadStage::scores, HeadStage::candidates, HeadStage::choice, HeadStage::results}) {
    for (const head::BuiltinFragment& fragment : head::kFragments)
      if (fragment.stage == stage && (fragment.features & ~h.options.features) == 0) fragment.build(h);
    for (const Fragment& fragment : h.options.fragments)
      if (fragment.stage == stage) fragment.build(h);
  }
}

}  // namespace

Program lm_head_sample(const SamplingOptions& options) {
  check(options);
  ProgramBuilder p("lm_head_sample");
  const Axis batch = p.axis("batch");
  const Axis vocab = p.axis("vocab");
  const Axis hidden = p.axis("hidden");
  const Tensor h = p.input("hidden_states", options.hidden_dtype, {batch, hidden});
  const Tensor w = p.input("weights", options.weights_dtype, {vocab, hidden});
  const Tensor index = p.optional_input("hidden_index", DType::i32, {batch});
  HeadBuilder builder(p, options, batch, vocab, p.contract(h, w, hidden, std::nullopt, index));
  run_fragments(builder);
  return p.build();
}

Program sample_logits(const SamplingOptions& options) {
  check(options);
  ProgramBuilder p("sample_logits");
  const Axis batch = p.axis("batch");
  const Axis vocab = p.axis("vocab");
  p.rows(batch);
  const Tensor logits = p.input("logits", options.hidden_dtype, {batch, vocab});
  HeadBuilder builder(p, options, batch, vocab, logits.at({batch.index(), vocab.index()}));
  run_fragments(builder);
  return p.build();
}

}  // namespace gumtile
