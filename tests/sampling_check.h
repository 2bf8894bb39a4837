#pragma once

#include "gumtile/programs.h"
#include "tests/harness.h"

namespace gumtile::test {

/// Element i of a `token` output, i32 or i64.
int64_t token_at(const Array& tokens, int64_t i);

/// How tokens of a backend compare with the interpreter's, as docs/semantics.md defines "the same tokens".
struct TokenComparison {
  int64_t rows = 0;
  int64_t equal = 0;
  int64_t near_ties = 0;  ///< different, but the interpreter's own scores are within the tolerance
  int64_t wrong = 0;
  double largest_logprob_error = 0;
  std::string first_wrong;
};

/// Runs the interpreter once and keeps what later comparisons need.
class SamplingReference {
 public:
  SamplingReference(const Case& c, const SamplingOptions& options);
  TokenComparison compare(const Outputs& outputs) const;
  const Outputs& outputs() const { return outputs_; }

 private:
  bool near_tie(int64_t row, int64_t token, std::string& why) const;
  const Case& case_;
  SamplingOptions options_;
  Outputs outputs_;
  Observations observed_;
  NodeId key_ = kNone;
  NodeId token_ = kNone;
  NodeId scaled_ = kNone;
  NodeId weights_ = kNone;
  NodeId threshold_ = kNone;
};

/// An LM head with random weights and hidden states and mixed temperatures, seeds and offsets; some rows are
/// greedy.
Case make_lm_head_case(const SamplingOptions& options, int64_t vocab, int64_t hidden, int64_t rows,
                       uint64_t seed, int64_t weights_stride = 0, int64_t hidden_stride = 0);

}  // namespace gumtile::test
