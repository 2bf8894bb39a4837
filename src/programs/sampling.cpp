#include <fmt/format.h>

#include <limits>
#include <numbers>

#include "gumtile/dsl_functions.h"
#include "gumtile/error.h"
#include "gumtile/programs.h"

namespace gumtile {

std::string_view name(NoiseScheme scheme) { return scheme == NoiseScheme::grouped ? "grouped" : "per_token"; }

std::optional<NoiseScheme> parse_noise_scheme(std::string_view text) {
  for (NoiseScheme scheme : {NoiseScheme::per_token, NoiseScheme::grouped})
    if (name(scheme) == text) return scheme;
  return std::nullopt;
}

namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kLn2 = std::numbers::ln2_v<float>;

/// Columns {8j + 2q + e} of a block of 64: what one lane of an m16n8 tile row holds.
constexpr uint32_t kGroupMask = 0x39;

/// The parameters of a row's request, read through its slot.
struct Request {
  Expr bad_temperature;
  Expr greedy;
  Expr inverse_temperature;  ///< 1 for greedy and failed rows: their scores are the logits
  std::array<Expr, 3> stream;
};

Request read_request(ProgramBuilder& p, Axis batch) {
  const Axis slots = p.axis("slot");
  const Expr row = p.index(batch);
  const Expr slot = p.optional_input("row_slot", DType::i32, {batch}).at({row, cast(row, DType::i32)});
  const Expr rows = p.optional_input("num_rows", DType::i32, {}).at({p.constant(DType::i32, 0x7fffffff)});
  p.guard((slot >= 0) & (cast(row, DType::i32) < rows));
  const Expr temperature = p.optional_input("temperature", DType::f32, {slots}).at({slot, 1.0f});
  const Expr seed = p.optional_input("seed", DType::u64, {slots}).at({slot, p.constant_u64(0)});
  const Expr offset = p.optional_input("offset", DType::u64, {batch}).at({row, p.constant_u64(0)});
  const Expr bad = ~(temperature >= 0.0f) | (temperature == kInf);
  const Expr greedy = temperature < 1e-5f;
  return {bad, greedy, select(bad | greedy, 1.0f, 1.0f / temperature), random_stream(p, seed, offset, 0)};
}

struct Choice {
  Pick best;
  std::optional<Expr> score;  ///< the chosen token's scaled logit
};

Choice choose_per_token(ProgramBuilder& p, Expr scaled, const Request& request, Axis vocab, bool carry) {
  const TokenNoise noise = gumbel_per_token(p, request.stream, vocab);
  const Expr key = select(request.greedy, scaled, scaled + noise.gumbel);
  // Rounding is monotonic, and the bound of the noise is positive, so that this holds for greedy rows too. A
  // bound for a whole group (its largest logit with its largest noise) is cheaper but dismisses too little:
  // measured on an H100 at 256 rows of 151936 x 4096, 589 us instead of 526.
  const Expr bound = scaled + noise.bound;
  const Pick best =
      argmax(p, key, p.index(vocab), vocab, carry ? std::vector<Expr>{scaled} : std::vector<Expr>{}, bound);
  return {best, carry ? std::optional(best.carry[0]) : std::nullopt};
}

Choice choose_grouped(ProgramBuilder& p, Expr scaled, Expr group_max, const Request& request, Axis vocab,
                      Split split, bool carry) {
  const GroupNoise noise = gumbel_per_group(p, request.stream, split.group);
  const Expr weights = softmax_weights(scaled, group_max);
  const Expr sum = reduce_sum(p, weights, split.member);
  // Rows without noise, and groups where exp(inf - inf) would be NaN, take their first largest member.
  const Expr plain = request.greedy | (group_max == kInf);
  const Expr first_largest =
      p.select_ordered(split, cast(scaled == group_max, DType::u32), p.constant_u32(0));
  const Expr drawn = p.select_ordered(split, weights, mulhi(noise.selection, sum));
  const Expr token = branch(plain, first_largest, drawn);
  const Expr key =
      branch(plain, group_max, (group_max + (log2(cast(sum, DType::f32)) - 27.0f) * kLn2) + noise.gumbel);
  // The key in the same order of operations, with the logarithm replaced by more than any backend's
  // log2(2^31) returns and the noise by a bound of its own: rounding is monotonic, so never below the key.
  // Nor is what is added ever negative, so that it holds for greedy rows too.
  const Expr bound = (group_max + (31.0001f - 27.0f) * kLn2) + noise.bound;
  std::vector<Expr> carried;
  if (carry) carried.push_back(value_at(p, scaled, token, vocab, split.member));
  const Pick best = argmax(p, key, token, split.group, carried, bound);
  return {best, carry ? std::optional(best.carry[0]) : std::nullopt};
}

/// From logits to the outputs; shared by every Program that samples.
void sample(ProgramBuilder& p, Expr logits, Axis batch, Axis vocab, const SamplingOptions& options) {
  if (options.token_dtype != DType::i32 && options.token_dtype != DType::i64)
    throw Error(ErrorCode::usage,
                fmt::format("token_dtype is {}; tokens are i32 or i64", name(options.token_dtype)));
  const Request request = read_request(p, batch);
  const Split split = p.split(vocab, kGroupMask);
  const Expr scaled = logits * request.inverse_temperature;
  // The largest scaled logit: multiplying by a positive number and rounding keep the order, so one product
  // does.
  const Expr group_max = reduce_max(p, logits, split.member) * request.inverse_temperature;
  const Choice choice = options.noise == NoiseScheme::grouped
                            ? choose_grouped(p, scaled, group_max, request, vocab, split, options.logprob)
                            : choose_per_token(p, scaled, request, vocab, options.logprob);
  auto flag = [&](const Expr& condition, uint32_t bit) { return select(condition, p.constant_u32(bit), 0); };
  const Expr group_status =
      select(group_max < kInf, p.constant_u32(0),
             select(group_max == kInf, p.constant_u32(status_inf_logit), p.constant_u32(status_nan_logit)));
  const Expr seen = reduce_or(p, group_status, split.group);
  const Expr empty = (choice.best.key == -kInf) & ((seen & uint32_t{status_nan_logit}) == 0);
  const Expr status =
      seen | flag(empty, status_no_candidate) | flag(request.bad_temperature, status_bad_temperature);
  const Expr failed = (status & (status_nan_logit | status_no_candidate | status_bad_temperature)) != 0;
  const Expr invalid = p.optional_input("invalid_token", DType::i32, {}).at({p.constant(DType::i32, -1)});
  const Expr row = p.index(batch);
  const Expr position =
      p.optional_input("token_position", DType::i32, {batch}).at({row, cast(row, DType::i32)});
  const Expr token = select(failed, invalid, cast(choice.best.index, DType::i32));
  p.scattered_output("token", cast(token, options.token_dtype), position);
  if (options.logprob) {
    const Expr logprob = *choice.score - logsumexp(p, scaled, split, group_max);
    p.output("logprob", select(failed, std::numeric_limits<float>::quiet_NaN(), logprob), std::nullopt, true);
  }
  p.output("status", status, std::nullopt, true);
  p.any_output("any_status", status, true);
}

}  // namespace

Program lm_head_sample(const SamplingOptions& options) {
  ProgramBuilder p("lm_head_sample");
  const Axis batch = p.axis("batch");
  const Axis vocab = p.axis("vocab");
  const Axis hidden = p.axis("hidden");
  const Tensor h = p.input("hidden_states", options.hidden_dtype, {batch, hidden});
  const Tensor w = p.input("weights", options.weights_dtype, {vocab, hidden});
  const Tensor index = p.optional_input("hidden_index", DType::i32, {batch});
  sample(p, p.contract(h, w, hidden, std::nullopt, index), batch, vocab, options);
  return p.build();
}

Program sample_logits(const SamplingOptions& options) {
  ProgramBuilder p("sample_logits");
  const Axis batch = p.axis("batch");
  const Axis vocab = p.axis("vocab");
  p.rows(batch);
  const Tensor logits = p.input("logits", options.hidden_dtype, {batch, vocab});
  sample(p, logits.at({p.index(batch), p.index(vocab)}), batch, vocab, options);
  return p.build();
}

}  // namespace gumtile
