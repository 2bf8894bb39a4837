// The reference interpreter on the sampling Programs, against a second implementation of the definition in
// docs/semantics.md.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "gumtile/dsl.h"
#include "tests/program_run.h"

namespace gumtile::test {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
const float kNan = std::numeric_limits<float>::quiet_NaN();

/// Inputs and outputs of sample_logits; empty vectors are not bound.
struct Sampling {
  int64_t rows = 0;
  int64_t columns = 0;
  std::vector<float> logits;
  std::vector<float> temperature{};
  std::vector<uint64_t> seed{};
  std::vector<uint64_t> offset{};
  std::vector<int32_t> row_slot{};
  std::vector<int32_t> num_rows{};
  std::vector<int32_t> invalid_token{};

  std::vector<int32_t> token{};
  std::vector<float> logprob{};
  std::vector<uint32_t> status{};
  std::vector<uint32_t> any_status{};
};

constexpr int32_t kUntouched = 0x5a5a5a5a;
constexpr NoiseScheme kSchemes[] = {NoiseScheme::per_token, NoiseScheme::grouped};

void sample(Sampling& s, NoiseScheme noise) {
  const Program program = sample_logits({noise, DType::f32, DType::f32, true});
  HostRun run(program, {s.rows, s.columns});
  run.in("logits", s.logits);
  const auto bind = [&](const char* name, const auto& values) {
    if (!values.empty()) run.in(name, values);
  };
  bind("temperature", s.temperature);
  bind("seed", s.seed);
  bind("offset", s.offset);
  bind("row_slot", s.row_slot);
  bind("num_rows", s.num_rows);
  bind("invalid_token", s.invalid_token);
  s.token.assign(static_cast<size_t>(s.rows), kUntouched);
  s.logprob.assign(static_cast<size_t>(s.rows), 12345.0f);
  s.status.assign(static_cast<size_t>(s.rows), static_cast<uint32_t>(kUntouched));
  s.any_status.assign(1, static_cast<uint32_t>(kUntouched));
  run.out("token", s.token)
      .out("logprob", s.logprob)
      .out("status", s.status)
      .out("any_status", s.any_status)
      .run();
}

using Words = std::array<uint32_t, 4>;

/// Philox4x32-10 as its authors define it.
Words philox(Words c, std::array<uint32_t, 2> k) {
  for (int round = 0; round < 10; ++round) {
    if (round > 0) k = {k[0] + 0x9E3779B9, k[1] + 0xBB67AE85};
    const uint64_t a = uint64_t{0xD2511F53} * c[0];
    const uint64_t b = uint64_t{0xCD9E8D57} * c[2];
    c = {static_cast<uint32_t>(b >> 32) ^ c[1] ^ k[0], static_cast<uint32_t>(b),
         static_cast<uint32_t>(a >> 32) ^ c[3] ^ k[1], static_cast<uint32_t>(a)};
  }
  return c;
}

double gumbel_reference(uint32_t hi, uint32_t lo) {
  const double u = hi < 65536 ? std::ldexp(hi * 0x1p32 + lo + 0.5, -64) : (hi + 0.5) * 0x1p-32;
  return -std::log(-std::log1p(-u));
}

/// docs/semantics.md, "Noise", implemented again in double.
struct Stream {
  Stream(uint64_t seed, uint64_t offset)
      : s(philox({static_cast<uint32_t>(offset), static_cast<uint32_t>(offset >> 32), 0, 0x474D5431},
                 {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)})) {}
  Words words(uint32_t counter) const {
    return philox({counter, s[0], s[1], s[2]}, {0xA4093822, 0x299F31D0});
  }
  double per_token(uint32_t v) const {
    const uint32_t c = (v >> 4) * 4 + ((v >> 1) & 3);
    const uint32_t w = ((v >> 3) & 1) * 2 + (v & 1);
    return gumbel_reference(words(c)[w], words(c | 0x80000000u)[w]);
  }
  double per_group(uint32_t g, uint32_t& selection) const {
    const uint32_t c = (g >> 3) * 4 + (g & 3);
    const uint32_t half = (g >> 2) & 1;
    const Words w = words(c | 0x40000000u);
    selection = w[2 * half + 1];
    return gumbel_reference(w[2 * half], words(c | 0xC0000000u)[2 * half]);
  }
  Words s;
};

int32_t sample_by_hand(const float* logits, int64_t columns, float temperature, uint64_t seed,
                       uint64_t offset, NoiseScheme noise) {
  const Stream stream(seed, offset);
  const float inverse = 1.0f / temperature;
  double best = -std::numeric_limits<double>::infinity();
  int64_t token = -1;
  if (noise == NoiseScheme::per_token) {
    for (int64_t v = 0; v < columns; ++v) {
      const double key = logits[v] * inverse + stream.per_token(static_cast<uint32_t>(v));
      if (key > best) {
        best = key;
        token = v;
      }
    }
    return static_cast<int32_t>(token);
  }
  for (int64_t g = 0; g < groups_of(columns); ++g) {
    const std::vector<int64_t> all = members(g, columns);
    if (all.empty()) continue;
    float m = -kInf;
    for (int64_t v : all) m = std::max(m, logits[v] * inverse);
    if (m == -kInf) continue;
    uint64_t sum = 0;
    std::vector<uint64_t> weights;
    for (int64_t v : all) {
      weights.push_back(
          static_cast<uint64_t>(std::rint(std::exp2((logits[v] * inverse - m) * 1.44269504f) * 0x1p27f)));
      sum += weights.back();
    }
    uint32_t selection = 0;
    const double key = stream.per_group(static_cast<uint32_t>(g), selection) + m +
                       (std::log2(static_cast<double>(sum)) - 27) * std::log(2.0);
    if (!(key > best)) continue;
    best = key;
    const uint64_t threshold = (uint64_t{selection} * sum) >> 32;
    uint64_t running = 0;
    size_t i = 0;
    while ((running += weights[i]) <= threshold) ++i;
    token = all[i];
  }
  return static_cast<int32_t>(token);
}

TEST_CASE("tokens are those that the definition gives by hand") {
  for (NoiseScheme noise : kSchemes)
    for (int64_t columns : {1, 2, 7, 64, 65, 130, 1100}) {
      std::mt19937_64 random(99);
      Sampling s{.rows = 60, .columns = columns, .logits = {}};
      for (int64_t i = 0; i < s.rows * columns; ++i)
        s.logits.push_back(random() % 10 == 0 ? -kInf : static_cast<float>(random() % 4000) * 1e-3f - 2);
      for (int64_t r = 0; r < s.rows; ++r) {
        s.logits[static_cast<size_t>(r * columns)] = 0.5f;  // at least one candidate
        s.temperature.push_back(0.25f + static_cast<float>(random() % 100) / 40);
        s.seed.push_back(random() >> (r % 2 * 40));
        s.offset.push_back(random() >> (r % 3 * 31));
      }
      sample(s, noise);
      for (size_t r = 0; r < static_cast<size_t>(s.rows); ++r) {
        INFO(std::string(name(noise)), " V=", columns, " row ", r);
        const float* logits = &s.logits[r * static_cast<size_t>(columns)];
        CHECK(s.token[r] == sample_by_hand(logits, columns, s.temperature[r], s.seed[r], s.offset[r], noise));
        CHECK(s.status[r] == 0);
        double sum = 0;
        for (int64_t v = 0; v < columns; ++v)
          sum += std::exp(static_cast<double>(logits[v]) / s.temperature[r]);
        CHECK(s.logprob[r] ==
              doctest::Approx(logits[s.token[r]] / s.temperature[r] - std::log(sum)).epsilon(1e-5));
      }
      CHECK(s.any_status[0] == 0);
    }
}

TEST_CASE("absent inputs stand for temperature 1, seed 0, offset 0 and the row's own slot") {
  for (NoiseScheme noise : kSchemes) {
    std::mt19937_64 random(3);
    Sampling s{.rows = 8, .columns = 70, .logits = {}};
    for (int64_t i = 0; i < s.rows * s.columns; ++i)
      s.logits.push_back(static_cast<float>(random() % 3000) * 1e-3f);
    Sampling explicit_inputs = s;
    explicit_inputs.temperature.assign(8, 1.0f);
    explicit_inputs.seed.assign(8, 0);
    explicit_inputs.offset.assign(8, 0);
    explicit_inputs.row_slot = {0, 1, 2, 3, 4, 5, 6, 7};
    explicit_inputs.num_rows = {8};
    explicit_inputs.invalid_token = {-1};
    sample(s, noise);
    sample(explicit_inputs, noise);
    CHECK(s.token == explicit_inputs.token);
    CHECK(s.logprob == explicit_inputs.logprob);
    for (size_t r = 0; r < 8; ++r)
      CHECK(s.token[r] == sample_by_hand(&s.logits[r * 70], 70, 1.0f, 0, 0, noise));
  }
}

TEST_CASE("a slot brings its parameters to whatever row it has") {
  for (NoiseScheme noise : kSchemes) {
    constexpr int64_t kColumns = 90;
    std::mt19937_64 random(4);
    std::vector<float> logits;
    for (int64_t i = 0; i < kColumns; ++i) logits.push_back(static_cast<float>(random() % 3000) * 1e-3f);
    Sampling s{.rows = 5, .columns = kColumns, .logits = {}};
    for (int64_t r = 0; r < s.rows; ++r) s.logits.insert(s.logits.end(), logits.begin(), logits.end());
    s.temperature = {0.5f, 1.0f, 2.0f};
    s.seed = {11, 22, 33};
    s.offset = {7, 7, 7, 8, 9};
    s.row_slot = {2, 0, 2, 1, 0};
    sample(s, noise);
    for (size_t r = 0; r < 5; ++r) {
      const auto slot = static_cast<size_t>(s.row_slot[r]);
      CHECK(s.token[r] ==
            sample_by_hand(logits.data(), kColumns, s.temperature[slot], s.seed[slot], s.offset[r], noise));
    }
    CHECK(s.token[0] == s.token[2]);  // the same slot and offset
  }
}

TEST_CASE("greedy rows take the first largest logit") {
  for (NoiseScheme noise : kSchemes)
    for (int64_t columns : {1, 7, 65, 300}) {
      std::mt19937_64 random(8);
      Sampling s{.rows = 30, .columns = columns, .logits = {}};
      for (int64_t i = 0; i < s.rows * columns; ++i)
        s.logits.push_back(static_cast<float>(random() % 20));  // ties
      for (int64_t r = 0; r < s.rows; ++r) {
        s.temperature.push_back(r % 3 == 0 ? 0.0f : r % 3 == 1 ? 9.9e-6f : -0.0f);
        s.seed.push_back(random());
      }
      sample(s, noise);
      for (size_t r = 0; r < 30; ++r) {
        const auto begin = s.logits.begin() + static_cast<std::ptrdiff_t>(r) * columns;
        CHECK(s.token[r] == std::max_element(begin, begin + columns) - begin);
        CHECK(s.status[r] == 0);
      }
    }
}

TEST_CASE("inactive rows are not touched, and their parameters are not read") {
  for (NoiseScheme noise : kSchemes) {
    Sampling s{.rows = 6, .columns = 9, .logits = std::vector<float>(54, 1.0f)};
    std::fill_n(s.logits.begin() + 9, 9, kNan);  // row 1 is inactive
    s.temperature = {1, 1, -1};                  // so is row 4 with its slot, and 5 is past num_rows
    s.row_slot = {0, -1, 1, 0, -1000000, 2};
    s.num_rows = {5};
    sample(s, noise);
    for (size_t r : {1, 4, 5}) {
      CHECK(s.token[r] == kUntouched);
      CHECK(s.logprob[r] == 12345.0f);
      CHECK(s.status[r] == static_cast<uint32_t>(kUntouched));
    }
    for (size_t r : {0, 2, 3}) {
      CHECK(s.token[r] >= 0);
      CHECK(s.token[r] < 9);
      CHECK(s.status[r] == 0);
    }
    CHECK(s.any_status[0] == 0);
    for (int32_t n : {0, -3}) {
      s.num_rows = {n};
      sample(s, noise);
      for (int32_t token : s.token) CHECK(token == kUntouched);
      CHECK(s.any_status[0] == 0);
    }
  }
}

TEST_CASE("bad rows say so and disturb no other") {
  for (NoiseScheme noise : kSchemes)
    for (int64_t columns : {3, 65, 200}) {
      constexpr size_t kRows = 12;
      std::mt19937_64 random(17);
      Sampling good{.rows = kRows, .columns = columns, .logits = {}};
      for (int64_t i = 0; i < good.rows * columns; ++i)
        good.logits.push_back(static_cast<float>(random() % 3000) * 1e-3f);
      for (size_t r = 0; r < kRows; ++r) good.seed.push_back(random());
      good.temperature.assign(kRows, 0.8f);
      Sampling bad = good;
      sample(good, noise);
      auto row = [&](size_t r) { return bad.logits.begin() + static_cast<std::ptrdiff_t>(r) * columns; };
      row(1)[columns - 1] = kNan;
      row(2)[columns / 2] = kInf;
      row(2)[columns - 1] = kInf;
      std::fill_n(row(3), columns, -kInf);
      bad.temperature[4] = -0.5f;
      bad.temperature[5] = kNan;
      bad.temperature[6] = kInf;
      std::fill_n(row(7), columns, kNan);
      row(8)[0] = kInf;
      row(8)[columns - 1] = kNan;
      bad.temperature[9] = 0;  // greedy, with a NaN
      row(9)[1] = kNan;
      bad.temperature[10] = 0;  // greedy, among infinities
      row(10)[columns - 1] = kInf;
      row(10)[1] = kInf;
      sample(bad, noise);
      INFO(std::string(name(noise)), " V=", columns);
      for (size_t r : {size_t{0}, size_t{11}}) {
        CHECK(bad.token[r] == good.token[r]);
        CHECK(bad.status[r] == 0);
        CHECK(bad.logprob[r] == good.logprob[r]);
      }
      for (size_t r : {1, 3, 4, 5, 6, 7, 8, 9}) {
        INFO("row ", r);
        CHECK(bad.token[r] == -1);
        CHECK(std::isnan(bad.logprob[r]));
      }
      CHECK(bad.status[1] == status_nan_logit);
      CHECK(bad.status[2] == status_inf_logit);
      CHECK(bad.token[2] == columns / 2);
      CHECK(bad.status[3] == status_no_candidate);
      for (size_t r : {4, 5, 6}) CHECK(bad.status[r] == status_bad_temperature);
      CHECK(bad.status[7] == status_nan_logit);
      CHECK(bad.status[8] == (status_nan_logit | status_inf_logit));
      CHECK(bad.status[9] == status_nan_logit);
      CHECK(bad.status[10] == status_inf_logit);
      CHECK(bad.token[10] == 1);
      CHECK((bad.any_status[0] &
             (status_nan_logit | status_inf_logit | status_no_candidate | status_bad_temperature)) == 15);
      bad.invalid_token = {2};  // the caller's choice for failed rows
      const std::vector<int32_t> before = bad.token;
      sample(bad, noise);
      for (size_t r = 0; r < kRows; ++r) CHECK(bad.token[r] == (before[r] == -1 ? 2 : before[r]));
    }
}

TEST_CASE("logits that overflow with the temperature count as infinite") {
  for (NoiseScheme noise : kSchemes) {
    Sampling s{.rows = 1, .columns = 4, .logits = {1, 1e38f, 3e38f, 0}, .temperature = {0.01f}};
    sample(s, noise);
    CHECK(s.status[0] == status_inf_logit);
    CHECK(s.token[0] == 1);
  }
}

TEST_CASE("no rows write no row") {
  for (NoiseScheme noise : kSchemes) {
    Sampling s{.rows = 0, .columns = 4, .logits = {0}};
    sample(s, noise);
    CHECK(s.token.empty());
  }
}

TEST_CASE("the other built-in Programs by hand") {
  const std::vector<float> h{1, 2, -1, 0.5f};           // 2 x 2
  const std::vector<float> w{1, 0, 0, 1, 1, 1, -1, 2};  // 4 x 2
  const double logits[2][4] = {{1, 2, 3, 3}, {-1, 0.5, -0.5, 2}};
  const Extents extents{2, 4, 2};
  {
    std::vector<int32_t> token(2);
    std::vector<float> score(2);
    const Program program = greedy_argmax(DType::f32, DType::f32);
    HostRun(program, extents)
        .in("hidden_states", h)
        .in("weights", w)
        .out("token", token)
        .out("score", score)
        .run();
    CHECK(token == std::vector<int32_t>{2, 3});
    CHECK(score == std::vector<float>{3, 2});
  }
  {
    std::vector<uint16_t> out(8);
    const Program program = gemm(DType::f32, DType::f32, DType::f16);
    HostRun(program, extents).in("hidden_states", h).in("weights", w).out("logits", out).run();
    for (size_t i = 0; i < 8; ++i) CHECK(f16_to_float(out[i]) == logits[i / 4][i % 4]);
  }
  {
    std::vector<float> top(2), lse(2), loss(2);
    const Program statistics = row_statistics(DType::f32, DType::f32);
    HostRun(statistics, extents)
        .in("hidden_states", h)
        .in("weights", w)
        .out("max", top)
        .out("logsumexp", lse)
        .run();
    const Program entropy = cross_entropy(DType::f32, DType::f32);
    const std::vector<int32_t> target{3, 0};
    HostRun(entropy, extents)
        .in("hidden_states", h)
        .in("weights", w)
        .in("target", target)
        .out("loss", loss)
        .run();
    for (size_t r = 0; r < 2; ++r) {
      double sum = 0;
      for (double x : logits[r]) sum += std::exp(x);
      CHECK(top[r] == *std::max_element(logits[r], logits[r] + 4));
      CHECK(lse[r] == doctest::Approx(std::log(sum)));
      CHECK(loss[r] == doctest::Approx(std::log(sum) - logits[r][target[r]]));
    }
  }
}

}  // namespace
}  // namespace gumtile::test
