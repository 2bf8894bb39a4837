// Whether the samples have the right distribution. Seeds are fixed, so every result repeats. The critical
// values are for a probability of 1e-4 (Wilson and Hilferty's approximation of chi-square).
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "gumtile/dsl.h"
#include "gumtile/dsl_functions.h"
#include "gumtile/programs.h"
#include "tests/harness.h"

namespace gumtile::test {
namespace {

constexpr double kOneSided = 3.719;  ///< normal quantile of 1 - 1e-4
constexpr double kTwoSided = 3.891;
constexpr NoiseScheme kSchemes[] = {NoiseScheme::per_token, NoiseScheme::grouped};

double chi_square_critical(double degrees) {
  const double a = 2 / (9 * degrees);
  return degrees * std::pow(1 - a + kOneSided * std::sqrt(a), 3);
}

struct TestResult {
  double statistic = 0;
  double critical = 0;
  int64_t bins = 0;
};

/// The G-test of counts against probabilities. Bins that expect fewer than 10 are pooled, not dropped.
TestResult g_test(const std::vector<int64_t>& counts, const std::vector<double>& probabilities) {
  const auto n = static_cast<double>(std::accumulate(counts.begin(), counts.end(), int64_t{0}));
  std::vector<std::pair<double, double>> bins;  // expected, observed
  std::pair<double, double> pooled{0, 0};
  for (size_t i = 0; i < counts.size(); ++i) {
    const double expected = n * probabilities[i];
    const auto observed = static_cast<double>(counts[i]);
    if (expected >= 10)
      bins.emplace_back(expected, observed);
    else
      pooled = {pooled.first + expected, pooled.second + observed};
  }
  std::sort(bins.begin(), bins.end());
  if (pooled.first >= 10 || bins.empty())
    bins.push_back(pooled);
  else
    bins.front() = {bins.front().first + pooled.first, bins.front().second + pooled.second};
  REQUIRE(bins.size() > 1);
  double g = 0;
  double inverse = 0;
  for (const auto& [expected, observed] : bins) {
    if (observed > 0) g += 2 * observed * std::log(observed / expected);
    inverse += n / expected;
  }
  const auto degrees = static_cast<double>(bins.size()) - 1;
  const double williams = 1 + (inverse - 1) / (6 * n * degrees);
  return {g / williams, chi_square_critical(degrees), static_cast<int64_t>(bins.size())};
}

std::vector<double> softmax(const std::vector<float>& logits) {
  const double top = *std::max_element(logits.begin(), logits.end());
  std::vector<double> p;
  for (float x : logits) p.push_back(std::exp(static_cast<double>(x) - top));
  const double sum = std::accumulate(p.begin(), p.end(), 0.0);
  for (double& x : p) x /= sum;
  return p;
}

/// sample_logits with one row of logits for all rows: the logits become an input [vocab].
Program sample_shared_logits(NoiseScheme noise) {
  Program p = sample_logits({noise, DType::f32, DType::f32, false});
  for (uint32_t i = 0; i < p.inputs.size(); ++i) {
    if (p.inputs[i].name != "logits") continue;
    p.inputs[i].axes.erase(p.inputs[i].axes.begin());
    for (Node& node : p.nodes)
      if (node.op == Op::load && node.imm == i) node.operands.erase(node.operands.begin());
  }
  verify(p);
  return p;
}

/// Tokens of many requests that share their logits. Without seeds (offsets): all 1 (0).
std::vector<int32_t> draw(Engine& engine, NoiseScheme noise, const std::vector<float>& logits, int64_t rows,
                          const std::vector<uint64_t>& seeds, const std::vector<uint64_t>& offsets) {
  Case c = make_case(sample_shared_logits(noise), {rows, static_cast<int64_t>(logits.size()), 0});
  c.input("logits") = make_vector(DType::f32, logits);
  c.input("seed") =
      make_vector(DType::u64, seeds.empty() ? std::vector<uint64_t>(static_cast<size_t>(rows), 1) : seeds);
  if (!offsets.empty()) c.input("offset") = make_vector(DType::u64, offsets);
  const auto start = std::chrono::steady_clock::now();
  const Outputs outputs = run_engine(c, engine);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  MESSAGE(engine.device().id, ", ", std::string(name(noise)), ": ", rows, " draws of ", logits.size(),
          " tokens in ", fmt::format("{:.1f}", seconds.count()), " s");
  const auto* tokens = output(c.program, outputs, "token").as<int32_t>();
  REQUIRE(output(c.program, outputs, "any_status").as<uint32_t>()[0] == 0);
  return {tokens, tokens + rows};
}

std::vector<uint64_t> counting(int64_t n, uint64_t from = 0, uint64_t step = 1) {
  std::vector<uint64_t> values;
  for (int64_t i = 0; i < n; ++i) values.push_back(from + static_cast<uint64_t>(i) * step);
  return values;
}

std::vector<int64_t> count_tokens(const std::vector<int32_t>& tokens, size_t vocab) {
  std::vector<int64_t> counts(vocab);
  for (int32_t token : tokens) {
    REQUIRE(token >= 0);
    REQUIRE(static_cast<size_t>(token) < vocab);
    ++counts[static_cast<size_t>(token)];
  }
  return counts;
}

void check_fit(const std::string& what, const std::vector<int64_t>& counts,
               const std::vector<double>& probabilities) {
  const TestResult result = g_test(counts, probabilities);
  const std::string text = fmt::format("{}: G = {:.1f} over {} bins, critical {:.1f}", what, result.statistic,
                                       result.bins, result.critical);
  CHECK_MESSAGE(result.statistic < result.critical, text);
}

/// Draws with increasing offsets.
void check_softmax(const std::vector<float>& logits, int64_t draws, const std::string& what) {
  const std::vector<double> p = softmax(logits);
  for (const auto& engine : engines())
    for (NoiseScheme noise : kSchemes) {
      const auto tokens = draw(*engine, noise, logits, draws, {}, counting(draws));
      check_fit(fmt::format("{}, {}, {}", engine->device().id, name(noise), what),
                count_tokens(tokens, logits.size()), p);
    }
}

TEST_CASE("the G-test accepts what fits and rejects what does not") {
  CHECK(chi_square_critical(1) == doctest::Approx(15.14).epsilon(0.08));
  CHECK(chi_square_critical(10) == doctest::Approx(35.56).epsilon(0.015));
  CHECK(chi_square_critical(100) == doctest::Approx(161.3).epsilon(0.002));
  const std::vector<double> p{0.5, 0.3, 0.2};
  const TestResult fits = g_test({5010, 2985, 2005}, p);
  CHECK(fits.statistic < fits.critical);
  const TestResult wrong = g_test({5300, 2800, 1900}, p);
  CHECK(wrong.statistic > wrong.critical);
  std::vector<double> tail(1001, 1e-6);  // rare bins: each expects 0.02, together they expect 20
  tail[0] = 1 - 1e-3;
  std::vector<int64_t> counts(1001);
  counts[0] = 20000;
  CHECK(g_test(counts, tail).bins == 2);
  CHECK(g_test(counts, tail).statistic > g_test(counts, tail).critical);
}

TEST_CASE("tokens follow the softmax: 5 tokens") {
  check_softmax({0.0f, 1.0f, -2.0f, 2.5f, 0.5f}, 200000, "5 tokens");
  check_softmax({0.0f, 0.0f, 0.0f, 0.0f, 0.0f}, 200000, "5 equal tokens");
}

TEST_CASE("tokens follow the softmax: 512 tokens") {
  Random random(3);
  std::vector<float> logits;
  for (int i = 0; i < 512; ++i) logits.push_back(random.normal() * 1.5f);
  check_softmax(logits, 40000, "512 tokens");
  check_softmax(std::vector<float>(512, 1.0f), 20000, "512 equal tokens");
}

TEST_CASE("tokens follow the softmax with temperatures and a vocabulary that ends inside a group") {
  Random random(4);
  for (const auto& engine : engines())
    for (NoiseScheme noise : kSchemes) {
      constexpr int64_t kRows = 40000;
      const int64_t vocab = 77;
      std::vector<float> logits;
      for (int64_t i = 0; i < vocab; ++i) logits.push_back(random.normal());
      Case c = make_case(sample_logits({noise, DType::f32, DType::f32, true}), {kRows, vocab, 0});
      for (int64_t r = 0; r < kRows; ++r)
        std::copy(logits.begin(), logits.end(), c.input("logits").as<float>() + r * vocab);
      c.input("temperature") = make_vector(DType::f32, std::vector<float>(kRows, 0.6f));
      c.input("offset") = make_vector(DType::u64, counting(kRows));
      const Outputs outputs = run_engine(c, *engine);
      const auto* tokens = output(c.program, outputs, "token").as<int32_t>();
      std::vector<float> scaled;
      for (float x : logits) scaled.push_back(x / 0.6f);
      check_fit(fmt::format("{}, {}, 77 tokens", engine->device().id, name(noise)),
                count_tokens({tokens, tokens + kRows}, 77), softmax(scaled));
    }
}

/// As many draws as a slow CPU makes in a few seconds; a GPU makes more.
int64_t large_draws(const Engine& engine) { return engine.device().target.is_cuda() ? 40000 : 7000; }

constexpr size_t kLarge = 151936;

TEST_CASE("tokens follow the softmax: 151936 tokens, a few of them likely") {
  Random random(6);
  std::vector<float> logits;
  for (size_t i = 0; i < kLarge; ++i) logits.push_back(random.normal() * 2.0f);
  for (int i = 0; i < 40; ++i) logits[random.below(kLarge)] = 10.0f + random.uniform() * 3;
  const std::vector<double> p = softmax(logits);
  for (const auto& engine : engines())
    for (NoiseScheme noise : kSchemes) {
      const int64_t draws = large_draws(*engine);
      const auto tokens = draw(*engine, noise, logits, draws, {}, counting(draws));
      const std::vector<int64_t> counts = count_tokens(tokens, kLarge);
      check_fit(fmt::format("{}, {}, 151936 tokens", engine->device().id, name(noise)), counts, p);
      // The unlikely tokens by their place: blocks of the vocabulary, then places inside a block of 64.
      for (bool inside : {false, true}) {
        std::vector<int64_t> by_place(65);
        std::vector<double> expected(65);
        for (size_t v = 0; v < kLarge; ++v) {
          const size_t place = logits[v] >= 10 ? 64 : inside ? v % 64 : v * 64 / kLarge;
          by_place[place] += counts[v];
          expected[place] += p[v];
        }
        check_fit(fmt::format("{}, {}, by place", engine->device().id, name(noise)), by_place, expected);
      }
    }
}

TEST_CASE("151935 tokens 12 nats below one win 48.3% of the time together") {
  std::vector<float> logits(kLarge, -12.0f);
  logits[70001] = 0.0f;
  const double odds = static_cast<double>(kLarge - 1) * std::exp(-12.0);
  const double p = odds / (1 + odds);
  CHECK(p == doctest::Approx(0.483).epsilon(0.001));
  for (const auto& engine : engines())
    for (NoiseScheme noise : kSchemes) {
      const int64_t draws = large_draws(*engine);
      const auto tokens = draw(*engine, noise, logits, draws, counting(draws, 7), {});  // seeds count up here
      const auto n = static_cast<double>(draws);
      std::vector<int64_t> places(64);
      int64_t tail = 0;
      for (int32_t token : tokens)
        if (token != 70001) {
          ++tail;
          ++places[static_cast<size_t>(token) % 64];
        }
      const double z = (static_cast<double>(tail) - n * p) / std::sqrt(n * p * (1 - p));
      const std::string text = fmt::format("{}, {}: {:.4f} of the draws, z = {:.2f}", engine->device().id,
                                           name(noise), static_cast<double>(tail) / n, z);
      MESSAGE(text);
      CHECK_MESSAGE(std::fabs(z) < kTwoSided, text);
      check_fit("the tail's winners by place", places, std::vector<double>(64, 1.0 / 64));
    }
}

// ---- The variates themselves
// --------------------------------------------------------------------------------

/// G for rows of streams: [rows, columns] of scheme 1, or [rows, groups] of scheme 2.
std::vector<float> noise_of(Engine& engine, NoiseScheme noise, int64_t rows, int64_t columns,
                            const std::vector<uint64_t>& seeds, const std::vector<uint64_t>& offsets) {
  ProgramBuilder p("noise");
  const Axis row = p.axis("row");
  const Axis col = p.axis("col");
  p.rows(row);
  p.columns(col);
  const Expr seed = p.input("seed", DType::u64, {row}).at({row.index()});
  const Expr offset = p.input("offset", DType::u64, {row}).at({row.index()});
  const auto stream = random_stream(seed, offset, 0);
  if (noise == NoiseScheme::per_token) {
    p.tile_output("g", gumbel_per_token(stream, col).gumbel);
  } else {
    const Split split = p.split(col, 0x39);
    p.tile_output("g", gumbel_per_group(stream, split.group).gumbel + cast(col.index() & 0, DType::f32));
  }
  Case c = make_case(p.build(), {rows, columns, 0});
  c.input("seed") = make_vector(DType::u64, seeds);
  c.input("offset") = make_vector(DType::u64, offsets);
  const Outputs outputs = run_engine(c, engine);
  const auto* g = outputs[0].as<float>();
  if (noise == NoiseScheme::per_token) return {g, g + rows * columns};
  std::vector<float> groups;  // columns 64b + 2q are the first of their groups
  for (int64_t r = 0; r < rows; ++r)
    for (int64_t v = 0; v < columns; ++v)
      if ((v & 0x39) == 0) groups.push_back(g[r * columns + v]);
  return groups;
}

double gumbel_cdf(double g) { return std::exp(-std::exp(-g)); }

TEST_CASE("G has the Gumbel distribution: Kolmogorov and Smirnov, and its tails") {
  for (const auto& engine : engines())
    for (NoiseScheme noise : kSchemes) {
      const int64_t rows = 128;
      const int64_t columns = noise == NoiseScheme::per_token ? 8192 : 65536;
      std::vector<float> g =
          noise_of(*engine, noise, rows, columns, std::vector<uint64_t>(128, 42), counting(rows));
      std::sort(g.begin(), g.end());
      const auto n = static_cast<double>(g.size());
      double distance = 0;
      for (size_t i = 0; i < g.size(); ++i) {
        const double f = gumbel_cdf(g[i]);
        distance = std::max({distance, f - static_cast<double>(i) / n, static_cast<double>(i + 1) / n - f});
      }
      const double critical = std::sqrt(std::log(2 / 1e-4) / 2 / n);
      const std::string text = fmt::format("{}, {}: D = {:.2e} of {} variates, critical {:.2e}",
                                           engine->device().id, name(noise), distance, n, critical);
      MESSAGE(text);
      CHECK_MESSAGE(distance < critical, text);
      for (double cut : {-2.5, -2.0, 5.0, 7.0, 9.0, 11.0}) {
        const double p = cut > 0 ? -std::expm1(-std::exp(-cut)) : gumbel_cdf(cut);
        const auto beyond = static_cast<double>(
            cut > 0 ? g.end() - std::upper_bound(g.begin(), g.end(), static_cast<float>(cut))
                    : std::lower_bound(g.begin(), g.end(), static_cast<float>(cut)) - g.begin());
        INFO(std::string(name(noise)), ": ", beyond, " beyond ", cut, ", expected ", n * p);
        CHECK(std::fabs(beyond - n * p) < kTwoSided * std::sqrt(n * p) + 1);
      }
    }
}

/// Chi-square (as a G-test) of pairs of variates in an 8 x 8 table of equal cells.
struct Pairs {
  std::vector<int64_t> counts = std::vector<int64_t>(64);
  void add(float a, float b) {
    auto bin = [](float g) { return std::min(static_cast<size_t>(gumbel_cdf(g) * 8), size_t{7}); };
    ++counts[bin(a) * 8 + bin(b)];
  }
  void check(const std::string& what) const { check_fit(what, counts, std::vector<double>(64, 1.0 / 64)); }
};

TEST_CASE("variates of neighbouring tokens, offsets and seeds are independent") {
  constexpr int64_t kRows = 64;
  for (const auto& engine : engines())
    for (NoiseScheme noise : kSchemes) {
      const int64_t columns = noise == NoiseScheme::per_token ? 4096 : 65536;
      const int64_t width = noise == NoiseScheme::per_token ? columns : columns / 16;
      const std::vector<uint64_t> constant(kRows, 5);
      struct Neighbours {
        const char* what;
        std::vector<uint64_t> seeds, offsets;
      };
      for (const Neighbours& n : {Neighbours{"offsets", constant, counting(kRows)},
                                  {"offsets by 2^32", constant, counting(kRows, 0, uint64_t{1} << 32)},
                                  {"seeds", counting(kRows), constant},
                                  {"seeds by 2^32", counting(kRows, 0, uint64_t{1} << 32), constant}}) {
        const std::vector<float> g = noise_of(*engine, noise, kRows, columns, n.seeds, n.offsets);
        const std::string where = fmt::format("{}, {}", engine->device().id, name(noise));
        Pairs rows;
        for (int64_t r = 0; r + 1 < kRows; r += 2)
          for (int64_t v = 0; v < width; ++v)
            rows.add(g[static_cast<size_t>(r * width + v)], g[static_cast<size_t>((r + 1) * width + v)]);
        rows.check(fmt::format("{}: neighbouring {}", where, n.what));
        for (int64_t lag : {1, 2, 4, 8, 16, 64}) {  // in one Philox call, in one group, in the next block
          Pairs tokens;
          for (int64_t r = 0; r < kRows; ++r)
            for (int64_t v = 0; v + lag < width; ++v)
              if ((v / lag) % 2 == 0)
                tokens.add(g[static_cast<size_t>(r * width + v)],
                           g[static_cast<size_t>(r * width + v + lag)]);
          tokens.check(fmt::format("{}: {} apart, {} count", where, lag, n.what));
        }
      }
    }
}

TEST_CASE("tokens of neighbouring offsets and seeds are independent") {
  const std::vector<float> logits{0.0f, 0.5f, -0.5f, 1.0f, 0.2f, -1.0f, 0.7f};
  const std::vector<double> p = softmax(logits);
  std::vector<double> cells;
  for (double a : p)
    for (double b : p) cells.push_back(a * b);
  constexpr int64_t kRows = 60000;
  for (const auto& engine : engines())
    for (NoiseScheme noise : kSchemes)
      for (bool by_seed : {false, true}) {
        const auto tokens =
            draw(*engine, noise, logits, kRows, by_seed ? counting(kRows) : std::vector<uint64_t>{},
                 by_seed ? std::vector<uint64_t>{} : counting(kRows));
        for (size_t lag : {size_t{1}, size_t{2}, size_t{256}}) {
          std::vector<int64_t> counts(cells.size());
          for (size_t i = 0; i + lag < tokens.size(); ++i)
            if ((i / lag) % 2 == 0)
              ++counts[static_cast<size_t>(tokens[i]) * p.size() + static_cast<size_t>(tokens[i + lag])];
          check_fit(fmt::format("{}, {}: {} {} apart", engine->device().id, name(noise),
                                by_seed ? "seeds" : "offsets", lag),
                    counts, cells);
        }
      }
}

}  // namespace
}  // namespace gumtile::test
