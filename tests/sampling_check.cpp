#include "tests/sampling_check.h"

#include <fmt/format.h>

#include <bit>
#include <cmath>

namespace gumtile::test {
namespace {

/// The reduce node of a reduction with this name over this kind of axis.
NodeId find_reduce(const Program& program, const std::string& name) {
  for (NodeId id = 0; id < program.nodes.size(); ++id)
    if (program.nodes[id].op == Op::reduce && program.reductions[program.nodes[id].imm].name == name)
      return id;
  return kNone;
}

int64_t group_of(int64_t token) { return (token >> 6) * 4 + ((token >> 1) & 3); }

}  // namespace

int64_t token_at(const Array& tokens, int64_t i) {
  return tokens.dtype == DType::i64 ? tokens.as<int64_t>()[i] : tokens.as<int32_t>()[i];
}

SamplingReference::SamplingReference(const Case& c, const SamplingOptions& options)
    : case_(c), options_(options) {
  const Program& p = c.program;
  const Node& argmax = p.nodes[find_reduce(p, "argmax")];
  key_ = argmax.operands[0];
  for (NodeId id = 0; id < p.nodes.size(); ++id) {
    const Node& node = p.nodes[id];
    // The scaled logits are the product of an element's value with the row's factor, which is a select.
    const auto op_of = [&](NodeId operand) { return p.nodes[operand].op; };
    if (node.op == Op::mul && node.dtype == DType::f32 && scaled_ == kNone &&
        op_of(node.operands[0]) != Op::reduce && op_of(node.operands[1]) == Op::select)
      scaled_ = id;
    if (node.op == Op::select_ordered && p.nodes[node.operands[1]].op == Op::mulhi) {
      weights_ = node.operands[0];
      threshold_ = node.operands[1];
    }
  }
  observed_[key_];
  observed_[scaled_];
  if (options.noise == NoiseScheme::grouped) {
    token_ = argmax.operands[1];
    observed_[token_];
    observed_[weights_];
    observed_[threshold_];
  }
  outputs_ = run_interpreter(c, &observed_);
}

bool SamplingReference::near_tie(int64_t row, int64_t token, std::string& why) const {
  const int64_t columns = case_.extents.columns;
  if (token < 0 || token >= columns) {
    why = fmt::format("token {} is outside the vocabulary", token);
    return false;
  }
  const int64_t best = token_at(output(case_.program, outputs_, "token"), row);
  float largest = 0;
  for (int64_t v = 0; v < columns; ++v)
    largest = std::max(
        largest,
        std::fabs(std::bit_cast<float>(observed_.at(scaled_)[static_cast<size_t>(row * columns + v)])));
  const float tolerance = 4e-4f + 1e-5f * largest;
  auto key = [&](int64_t v) {
    const std::vector<uint32_t>& keys = observed_.at(key_);
    const bool grouped = options_.noise == NoiseScheme::grouped;
    const int64_t per_row = static_cast<int64_t>(keys.size()) / case_.extents.rows;
    return std::bit_cast<float>(keys[static_cast<size_t>(row * per_row + (grouped ? group_of(v) : v))]);
  };
  const float difference = key(best) - key(token);
  if (options_.noise == NoiseScheme::per_token || group_of(best) != group_of(token)) {
    why =
        fmt::format("keys {} and {} differ by {}, allowed {}", key(best), key(token), difference, tolerance);
    if (!(std::fabs(difference) <= tolerance)) return false;
    if (options_.noise == NoiseScheme::per_token) return true;
  }
  // Within the group: the token must be the one drawn, or be within 1e-3 of the sum from a boundary.
  const std::vector<uint32_t>& groups = observed_.at(token_);
  const int64_t groups_per_row = static_cast<int64_t>(groups.size()) / case_.extents.rows;
  const auto at = static_cast<size_t>(row * groups_per_row + group_of(token));
  if (groups[at] == static_cast<uint32_t>(token)) return true;
  const std::vector<uint32_t>& weights = observed_.at(weights_);
  const uint64_t threshold = observed_.at(threshold_)[at];
  uint64_t before = 0;
  uint64_t sum = 0;
  uint64_t own = 0;
  for (int64_t i = 0; i < 16; ++i) {
    const int64_t v = (token & ~int64_t{63}) + 8 * (i / 2) + (token & 6) + i % 2;
    if (v >= columns) break;
    const uint64_t w = weights[static_cast<size_t>(row * columns + v)];
    if (v < token) before += w;
    if (v == token) own = w;
    sum += w;
  }
  const double slack = 1e-3 * static_cast<double>(sum);
  const auto low = static_cast<double>(before) - slack;
  const auto high = static_cast<double>(before + own) + slack;
  why = fmt::format("threshold {} is not within {} of [{}, {})", threshold, slack, before, before + own);
  return static_cast<double>(threshold) >= low && static_cast<double>(threshold) <= high;
}

TokenComparison SamplingReference::compare(const Outputs& outputs) const {
  TokenComparison result;
  const Program& p = case_.program;
  const Array& mine = output(p, outputs, "token");
  const Array& reference = output(p, outputs_, "token");
  const Array& status = output(p, outputs, "status");
  const Array& reference_status = output(p, outputs_, "status");
  for (int64_t row = 0; row < case_.extents.rows; ++row) {
    ++result.rows;
    const int64_t token = token_at(mine, row);
    const int64_t expected = token_at(reference, row);
    std::string why = "status differs";
    if (status.as<uint32_t>()[row] == reference_status.as<uint32_t>()[row]) {
      if (token == expected) {
        ++result.equal;
        if ((options_.features & feature_logprob) != 0) {
          const float a = output(p, outputs, "logprob").as<float>()[row];
          const float b = output(p, outputs_, "logprob").as<float>()[row];
          if (!(std::isnan(a) && std::isnan(b)))
            result.largest_logprob_error =
                std::max(result.largest_logprob_error, std::fabs(static_cast<double>(a) - b));
        }
        continue;
      }
      if (near_tie(row, token, why)) {
        ++result.near_ties;
        continue;
      }
    }
    if (result.wrong++ == 0)
      result.first_wrong =
          fmt::format("row {}: token {} (status {:#x}), expected {} (status {:#x}): {}", row, token,
                      status.as<uint32_t>()[row], expected, reference_status.as<uint32_t>()[row], why);
  }
  return result;
}

Case make_lm_head_case(const SamplingOptions& options, int64_t vocab, int64_t hidden, int64_t rows,
                       uint64_t seed, int64_t weights_stride, int64_t hidden_stride) {
  Case c = make_case(lm_head_sample(options), {rows, vocab, hidden});
  Random random(seed);
  c.input("weights") = make_array(options.weights_dtype, vocab, hidden, weights_stride);
  c.input("hidden_states") = make_array(options.hidden_dtype, rows, hidden, hidden_stride);
  fill_normal(c.input("weights"), random, 3.0f / std::sqrt(static_cast<float>(hidden)));
  fill_normal(c.input("hidden_states"), random, 1.0f);
  std::vector<float> temperatures;
  std::vector<uint64_t> seeds;
  std::vector<uint64_t> offsets;
  const float choices[] = {1.0f, 0.7f, 0.0f, 1.5f, 0.3f};
  for (int64_t i = 0; i < rows; ++i) {
    temperatures.push_back(choices[i % 5]);
    seeds.push_back(random.next());
    offsets.push_back(random.next() >> (i % 2 == 0 ? 50 : 0));
  }
  c.input("temperature") = make_vector(DType::f32, temperatures);
  c.input("seed") = make_vector(DType::u64, seeds);
  c.input("offset") = make_vector(DType::u64, offsets);
  return c;
}

}  // namespace gumtile::test
