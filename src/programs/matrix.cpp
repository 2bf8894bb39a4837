#include "gumtile/dsl_functions.h"
#include "gumtile/programs.h"

namespace gumtile {
namespace {

/// The axes and the product that the Programs in this file share.
struct Head {
  Axis batch, vocab, hidden;
  Expr logits;
};

Head head(ProgramBuilder& p, DType hidden_dtype, DType weights_dtype) {
  const Axis batch = p.axis("batch");
  const Axis vocab = p.axis("vocab");
  const Axis hidden = p.axis("hidden");
  const Tensor h = p.input("hidden_states", hidden_dtype, {batch, hidden});
  const Tensor w = p.input("weights", weights_dtype, {vocab, hidden});
  return {batch, vocab, hidden, p.contract(h, w, hidden)};
}

}  // namespace

Program greedy_argmax(DType hidden_dtype, DType weights_dtype) {
  ProgramBuilder p("greedy_argmax");
  const Head h = head(p, hidden_dtype, weights_dtype);
  const Pick best = argmax(h.logits, h.vocab.index(), h.vocab);
  p.output("token", cast(best.index, DType::i32));
  p.output("score", best.key);
  return p.build();
}

Program gemm(DType hidden_dtype, DType weights_dtype, DType output_dtype) {
  ProgramBuilder p("gemm");
  const Head h = head(p, hidden_dtype, weights_dtype);
  p.tile_output("logits", h.logits, output_dtype);
  return p.build();
}

Program row_statistics(DType hidden_dtype, DType weights_dtype) {
  ProgramBuilder p("row_statistics");
  const Head h = head(p, hidden_dtype, weights_dtype);
  const Split split = p.split(h.vocab, 0x39);
  p.output("max", reduce_max(h.logits, h.vocab));
  p.output("logsumexp", logsumexp(h.logits, split));
  return p.build();
}

Program cross_entropy(DType hidden_dtype, DType weights_dtype) {
  ProgramBuilder p("cross_entropy");
  const Head h = head(p, hidden_dtype, weights_dtype);
  const Tensor target = p.input("target", DType::i32, {h.batch});
  const Split split = p.split(h.vocab, 0x39);
  const Expr index = cast(target.at({h.batch.index()}), DType::u32);
  p.output("loss", logsumexp(h.logits, split) - value_at(h.logits, index, h.vocab, h.vocab));
  return p.build();
}

}  // namespace gumtile
