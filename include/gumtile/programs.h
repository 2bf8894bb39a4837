#pragma once

#include <span>
#include <string_view>

#include "gumtile/head_program.h"
#include "gumtile/program.h"

/// The built-in Programs, all written in the DSL (src/programs). Inputs and outputs are found by name.
namespace gumtile {

/// LM head with sampling (src/head), with the fields of src/head/fields.cpp. Inputs: hidden_states [batch,
/// hidden] (rounded to the weights' type if it differs), weights [vocab, hidden]; over slots temperature f32
/// (absent: 1), seed u64 (absent: 0); per row offset u64 (absent: 0), row_slot i32 (absent: the row itself;
/// negative: inactive), token_position i32 (the element of `token` that the row's token is stored at; absent:
/// the row; negative: it is not stored) and hidden_index i32 (the row of hidden_states that the row takes;
/// absent: the same row; negative: zeros); scalars num_rows i32 and invalid_token i32 (absent: -1). Outputs:
/// token of type `token_dtype`, logprob f32 (if requested), status u32 [batch], any_status u32. Throws
/// Error(usage) for another token_dtype.
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

/// A built-in Program by its name, which is also the Program's own.
struct BuiltinProgram {
  std::string_view name;
  /// Each Program uses only the options that it has; `output_dtype` is gemm's.
  Program (*make)(const SamplingOptions& options, DType output_dtype);
  bool samples = false;  ///< it uses all of `options`, including settings and fragments
};

/// All of the above, lm_head_sample first.
std::span<const BuiltinProgram> builtin_programs();
/// Null if there is no such Program.
const BuiltinProgram* find_builtin_program(std::string_view name);

}  // namespace gumtile
