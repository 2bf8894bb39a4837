#pragma once

#include <optional>
#include <string_view>

#include "gumtile/program.h"

/// The built-in Programs, all written in the DSL (src/programs). Inputs and outputs are found by name.
namespace gumtile {

/// The two ways to draw (docs/semantics.md). They are different streams: part of a sample's contract.
enum class NoiseScheme : uint8_t {
  per_token,  ///< scheme 1: one Gumbel for each token
  grouped,    ///< scheme 2: one Gumbel for each 16 tokens: fewer instructions a token
};
std::string_view name(NoiseScheme scheme);
std::optional<NoiseScheme> parse_noise_scheme(std::string_view text);

/// Bits of a row's `status` word.
enum StatusBits : uint32_t {
  status_nan_logit = 1,        ///< a logit is NaN: the row failed
  status_inf_logit = 2,        ///< a logit is +inf: the lowest such token was chosen
  status_no_candidate = 4,     ///< every logit is -inf: the row failed
  status_bad_temperature = 8,  ///< the temperature is negative, NaN or infinite: the row failed
};

/// What a sampling Program takes and returns.
struct SamplingOptions {
  NoiseScheme noise = NoiseScheme::grouped;
  DType hidden_dtype = DType::bf16;
  DType weights_dtype = DType::bf16;
  bool logprob = true;  ///< also return the token's log-probability; off lets backends skip hopeless groups
  DType token_dtype = DType::i32;  ///< of the output `token`: i32 or i64
};

/// LM head with sampling. Inputs: hidden_states [batch, hidden] (rounded to the weights' type where it is
/// another), weights [vocab, hidden]; over slots temperature f32 (absent: 1), seed u64 (absent: 0); per row
/// offset u64 (absent: 0), row_slot i32 (absent: the row itself; negative: inactive), token_position i32 (the
/// element of `token` that the row's token is stored at; absent: the row; negative: it is not stored) and
/// hidden_index i32 (the row of hidden_states that the row takes; absent: the same row; negative: zeros);
/// scalars num_rows i32 and invalid_token i32 (absent: -1). Outputs: token of type `token_dtype`, logprob f32
/// (if asked for), status u32 [batch], any_status u32. Throws Error(usage) for another token_dtype.
Program lm_head_sample(const SamplingOptions& options);

/// The same from logits [batch, vocab] of type `options.hidden_dtype` that exist already, without
/// hidden_index.
Program sample_logits(const SamplingOptions& options);

/// token i32 and score f32 of the largest logit of each row.
Program greedy_argmax(DType hidden_dtype, DType weights_dtype);

/// logits [batch, vocab] stored as `output_dtype`.
Program gemm(DType hidden_dtype, DType weights_dtype, DType output_dtype);

/// max f32 and logsumexp f32 of each row of hidden_states x weights.
Program row_statistics(DType hidden_dtype, DType weights_dtype);

/// loss f32 [batch] = logsumexp(logits) - logit[target], target i32 [batch].
Program cross_entropy(DType hidden_dtype, DType weights_dtype);

}  // namespace gumtile
