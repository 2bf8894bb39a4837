#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gumtile/dsl.h"
#include "gumtile/head_settings.h"

/// How a sampling Program is built: fragments, one per feature that a request may use, run over a HeadBuilder
/// in a fixed order. That order is the semantics (docs/semantics.md). A program that embeds gumtile may add
/// fragments of its own (`SamplingOptions::fragments`).
namespace gumtile {

/// The two ways to draw (docs/semantics.md). They are different streams: part of a sample's contract.
enum class NoiseScheme : uint8_t {
  per_token,  ///< scheme 1: one Gumbel per token
  grouped,    ///< scheme 2: one Gumbel per 16 tokens: fewer instructions per token
};
std::string_view name(NoiseScheme scheme);
std::optional<NoiseScheme> parse_noise_scheme(std::string_view text);

// clang-format off
// BEGIN generated: enumerations, from src/head/fields.cpp
/// Bits of a row's `status` word.
enum StatusBits : uint32_t {
  status_nan_logit = 1,  ///< a scaled logit is NaN: the row failed
  status_inf_logit = 2,  ///< a scaled logit is +inf: the lowest such token was chosen
  status_no_candidate = 4,  ///< every scaled logit is -inf: the row failed
  status_bad_temperature = 8,  ///< the temperature is negative, NaN or infinite: the row failed
};

/// What a launch may ask for beyond a token and its status; bits of a set. A kernel that is prepared for more
/// than a launch asks for gives the same tokens, at most slower.
using Features = uint64_t;
enum Feature : Features {
  feature_logprob = 1,  ///< the token's log-probability
};
inline constexpr Features kNoFeatures = 0;
inline constexpr Features kAllFeatures = feature_logprob;
// END generated: enumerations
// clang-format on

/// When a fragment runs. Fragments of one stage run in the order of their list, the user's after gumtile's.
enum class HeadStage : uint8_t {
  logits,      ///< change `logit`, for all rows alike or per row
  scores,      ///< compute `scaled` from `logit`: the temperature
  candidates,  ///< exclude tokens; name the values that are kept of the chosen token
  choice,      ///< draw the token
  results,     ///< write outputs
};

class HeadBuilder;

/// One feature of a head, or a part of one.
struct Fragment {
  std::string name;
  HeadStage stage = HeadStage::logits;
  std::function<void(HeadBuilder&)> build;
};

/// What a sampling Program takes and returns.
struct SamplingOptions {
  NoiseScheme noise = NoiseScheme::grouped;
  DType hidden_dtype = DType::bf16;
  DType weights_dtype = DType::bf16;
  /// What it takes and returns beyond tokens and their status. Without `feature_logprob` backends skip groups
  /// that cannot win.
  Features features = feature_logprob;
  DType token_dtype = DType::i32;        ///< of the output `token`: i32 or i64
  HeadSettings settings = {};            ///< of all rows alike
  std::vector<Fragment> fragments = {};  ///< the user's own, after gumtile's of the same stage
};

/// What the axes of a field are (docs/semantics.md).
enum class Over : uint8_t {
  one,          ///< one word
  rows,         ///< [rows]: indexed by the row of the launch
  slots,        ///< [slots]: by row_slot[row]
  vocab,        ///< [vocab]: by the token, from the weights' first row on
  rows_hidden,  ///< [rows, hidden]
};

/// A sampling Program under construction: what fragments read and change. Valid while the Program is built,
/// on one thread. Its functions throw Error(usage) for names that no field has, and for values that do not
/// exist yet at a stage.
class HeadBuilder {
 public:
  ProgramBuilder& p;
  const SamplingOptions& options;
  const Axis batch;
  const Axis vocab;
  const Axis slots;   ///< of requests
  const Split split;  ///< groups of 16 tokens, the unit of `grouped` noise

  Expr logit;  ///< per (row, token), f32, as it stands: fragments of HeadStage::logits replace it

  /// The input of a field of gumtile's table, for the current row or token; if it is absent at a launch, the
  /// table's default.
  Expr input(std::string_view field);
  /// A user's own input, bound by its name at a launch. `absent` is its value if it is not bound; without it,
  /// it must be bound.
  Expr input(const std::string& name, DType dtype, Over over, std::optional<double> absent);

  /// The array of a head's option, for the current token; null if the head has none.
  std::optional<Expr> array(std::string_view option);

  /// Sets `scaled` to the logits times a positive number per row; `greedy` rows take their largest logit.
  /// Called once, by the temperature.
  void scale(Expr greedy, Expr factor);
  Expr greedy() const;     ///< pred, per row
  Expr scaled() const;     ///< per (row, token)
  Expr group_max() const;  ///< the largest `scaled` of each group; NaN if any is NaN

  /// Excludes tokens for which `keep` (pred) is false: they count as -inf.
  void candidates(Expr keep);

  /// Requests the chosen token's value of `value` (f32, per (row, token)), which `carried` returns in
  /// HeadStage::results.
  void carry(const std::string& name, Expr value);
  Expr carried(std::string_view name) const;

  /// Ends the choice: its key, its token (u32), and the carried values in the order of `carries`.
  void choose(Expr key, Expr token, const std::vector<Expr>& values);
  std::vector<Expr> carries() const;

  /// Sets a status bit of the table in rows for which `when` (pred, per row) holds. A row fails if the table
  /// says so for the bit.
  void fail(std::string_view status, Expr when);
  /// The row's status word (u32), in HeadStage::results; do not call `fail` after it.
  Expr status();
  Expr failed();       ///< pred, per row
  Expr token() const;  ///< u32: the chosen token

  /// The output of a field of the table: per row, or for a field over `one` the bitwise or over all rows.
  void output(std::string_view field, Expr value);
  /// The same, stored at the element `position` of each row.
  void output_at(std::string_view field, Expr value, Expr position);
  /// A user's own output per row; a launch may leave it out.
  void output(const std::string& name, DType dtype, Expr value);

  HeadBuilder(ProgramBuilder& builder, const SamplingOptions& sampling, Axis batch_axis, Axis vocab_axis,
              Expr logits);

 private:
  struct Input {
    std::string name;
    DType dtype;
    Over over;
    Expr value;
  };
  struct Carried {
    std::string name;
    Expr value;
    std::optional<Expr> chosen;
  };
  struct Failure {
    uint32_t bit;
    Expr when;
  };
  Expr read(const std::string& name, DType dtype, Over over, std::optional<Expr> absent);

  Expr row_;
  Expr slot_;
  std::vector<Input> inputs_;  ///< those that were read already
  std::optional<Expr> greedy_, factor_;
  std::optional<std::pair<Expr, Expr>> chosen_;  ///< key and token
  std::vector<Carried> carried_;
  std::vector<Failure> failures_;
  std::optional<Expr> status_;
};

}  // namespace gumtile
