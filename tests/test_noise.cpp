// The words and variates of the noise, on every engine: Philox's known answers, and the Gumbel variate of a
// 64-bit word against docs/semantics.md.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "gumtile/dsl.h"
#include "gumtile/dsl_functions.h"
#include "tests/harness.h"

namespace gumtile::test {
namespace {

TEST_CASE("which engines are tested") {
  REQUIRE(cpu_engine() != nullptr);
  for (const auto& engine : engines()) MESSAGE("on ", engine->device().id, ": ", engine->device().name);
  if (!gpu_engine()) MESSAGE("skipped on a GPU: there is none here");
}

/// A Program of one row whose columns are independent: loads of u32 inputs "in0", "in1", …
struct Columns {
  Columns(const char* name, size_t inputs) : p(name), row(p.axis("row")), col(p.axis("col")) {
    p.rows(row);
    p.columns(col);
    for (size_t i = 0; i < inputs; ++i)
      in.push_back(p.input(fmt::format("in{}", i), DType::u32, {row, col}).at({row.index(), col.index()}));
  }
  ProgramBuilder p;
  Axis row, col;
  std::vector<Expr> in;
};

TEST_CASE("Philox4x32 gives Random123's known answers on every engine") {
  using Row = std::array<uint32_t, 10>;  // counter, key, words
  const std::vector<Row> seven{
      {0, 0, 0, 0, 0, 0, 0x5f6fb709, 0x0d893f64, 0x4f121f81, 0x4f730a48},
      {~0u, ~0u, ~0u, ~0u, ~0u, ~0u, 0x5207ddc2, 0x45165e59, 0x4d8ee751, 0x8c52f662},
      {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0x4dfccaba, 0x190a87f0,
       0xc47362ba, 0xb6b5242a},
  };
  const std::vector<Row> ten{
      {0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
      {~0u, ~0u, ~0u, ~0u, ~0u, ~0u, 0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
      {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09, 0x94fdcceb,
       0x5001e420, 0x24126ea1},
      {1, 0, 0, 0, 1, 0, 0xac08141b, 0xdfc5ccbe, 0x79c07a47, 0xa7f66093},
  };
  for (int rounds : {7, 10}) {
    const std::vector<Row>& rows = rounds == 7 ? seven : ten;
    Columns c("philox", 6);
    const auto words = philox({c.in[0], c.in[1], c.in[2], c.in[3]}, {c.in[4], c.in[5]}, rounds);
    for (size_t i = 0; i < 4; ++i) c.p.tile_output(fmt::format("w{}", i), words[i]);
    Case run =
        make_case(c.p.build(), {1, 67, 0});  // the answers repeated, to fill vectors and leave a remainder
    for (size_t i = 0; i < 6; ++i)
      for (size_t v = 0; v < 67; ++v) run.inputs[i].as<uint32_t>()[v] = rows[v % rows.size()][i];
    for (const auto& engine : engines()) {
      INFO(engine->device().id, ", ", rounds, " rounds");
      const Outputs outputs = run_engine(run, *engine);
      for (size_t i = 0; i < 4; ++i)
        for (size_t v = 0; v < 67; ++v) CHECK(outputs[i].as<uint32_t>()[v] == rows[v % rows.size()][6 + i]);
    }
  }
}

/// G as docs/semantics.md defines it, with exact logarithms.
double gumbel_reference(uint32_t hi, uint32_t lo) {
  const double u = hi < 65536 ? std::ldexp(static_cast<double>(hi) * 0x1p32 + lo + 0.5, -64)
                              : (static_cast<double>(hi) + 0.5) * 0x1p-32;
  return -std::log(-std::log1p(-u));  // 1 - u is ((~hi) + 0.5) * 2^-32 where u is not small
}

struct Word {
  uint32_t hi, lo;
};

/// Dense where the definition switches between its cases, random elsewhere.
std::vector<Word> sweep() {
  std::vector<Word> words;
  const std::vector<uint32_t> lows{0, 1, 2, 0x7fffffff, 0x80000000, 0x80000001, 0xfffffffe, 0xffffffff};
  auto around = [&](uint64_t centre, int64_t radius) {
    for (int64_t d = -radius; d <= radius; ++d)
      for (uint32_t lo : {lows.front(), lows.back()})
        words.push_back({static_cast<uint32_t>(centre + static_cast<uint64_t>(d)), lo});
  };
  for (uint32_t hi = 0; hi < 2048; ++hi)
    for (uint32_t lo : lows) words.push_back({hi, lo});
  for (uint32_t hi = 0; hi <= 1u << 17; ++hi) words.push_back({hi, hi * 2654435761u});
  for (int bit = 1; bit < 32; ++bit) around(uint64_t{1} << bit, 64);
  around(1u << 16, 5000);            // below it the low word matters
  around(1u << 26, 50000);           // u = 2^-6: series or logarithm
  around(1u << 31, 5000);            // u = 1/2
  around(uint64_t{1} << 32, 50000);  // wraps around: u next to 1 and next to 0
  for (int bit = 0; bit < 32; ++bit) words.push_back({0, 1u << bit});
  Random random(2024);
  for (int i = 0; i < 500000; ++i) {
    const uint64_t bits = random.next();
    const auto hi = static_cast<uint32_t>(bits);
    words.push_back({hi >> (i % 4 == 0 ? random.below(32) : 0), static_cast<uint32_t>(bits >> 32)});
  }
  return words;
}

struct Accuracy {
  double worst = 0;       ///< over all words
  double worst_high = 0;  ///< where G > 5
  double lowest = std::numeric_limits<double>::infinity();
  double highest = -std::numeric_limits<double>::infinity();
  Word worst_word{}, worst_high_word{};
  int64_t not_finite = 0;
};

Accuracy measure(const std::vector<Word>& words, const float* g) {
  Accuracy a;
  for (size_t i = 0; i < words.size(); ++i) {
    const double reference = gumbel_reference(words[i].hi, words[i].lo);
    const double error = std::fabs(static_cast<double>(g[i]) - reference);
    if (!std::isfinite(g[i])) {
      ++a.not_finite;
      continue;
    }
    a.lowest = std::min(a.lowest, static_cast<double>(g[i]));
    a.highest = std::max(a.highest, static_cast<double>(g[i]));
    if (error > a.worst) {
      a.worst = error;
      a.worst_word = words[i];
    }
    if (reference > 5 && error > a.worst_high) {
      a.worst_high = error;
      a.worst_high_word = words[i];
    }
  }
  return a;
}

TEST_CASE("the reference itself has the range and the edges that it should") {
  CHECK(gumbel_reference(0, 0) == doctest::Approx(65 * std::log(2.0)));
  CHECK(gumbel_reference(~0u, ~0u) == doctest::Approx(-std::log(33 * std::log(2.0))));
  CHECK(gumbel_reference(1u << 31, 0) == doctest::Approx(-std::log(std::log(2.0))));
}

TEST_CASE("the Gumbel variate of every kind of word is finite and as accurate as promised") {
  const std::vector<Word> words = sweep();
  Columns c("gumbel", 2);
  c.p.tile_output("g", gumbel(c.in[0], c.in[1]));
  Case run = make_case(c.p.build(), {1, static_cast<int64_t>(words.size()), 0});
  for (size_t i = 0; i < words.size(); ++i) {
    run.inputs[0].as<uint32_t>()[i] = words[i].hi;
    run.inputs[1].as<uint32_t>()[i] = words[i].lo;
  }
  auto check = [&](const std::string& where, const Outputs& outputs) {
    const Accuracy a = measure(words, outputs[0].as<float>());
    const std::string text = fmt::format(
        "{}: {} words, worst error {:.3g} at ({:#x}, {:#x}), {:.3g} at ({:#x}, {:#x}) where G > 5, range "
        "{:.4f} … {:.4f}",
        where, words.size(), a.worst, a.worst_word.hi, a.worst_word.lo, a.worst_high, a.worst_high_word.hi,
        a.worst_high_word.lo, a.lowest, a.highest);
    MESSAGE(text);
    CHECK(a.not_finite == 0);
    CHECK(a.worst <= 2e-4);
    CHECK(a.worst_high <= 2e-5);
    CHECK(a.lowest >= -3.1302);
    CHECK(a.lowest <= -3.1298);
    CHECK(a.highest >= 45.054);
    CHECK(a.highest <= 45.056);
  };
  check("interpreter", run_interpreter(run));
  for (const auto& engine : engines()) check(engine->device().id, run_engine(run, *engine));
}

TEST_CASE("the bound of the noise is positive, never below the noise, and close where winners are") {
  std::vector<Word> words = sweep();
  for (uint32_t hi : {0u, 1u, 2u, 65535u, 65536u, (1u << 26) - 1, 1u << 26, ~0u - 1, ~0u})
    for (uint32_t lo : {0u, ~0u})
      words.push_back({hi, lo});  // for each hi, the largest noise is that of lo = 0
  Columns c("bound", 2);
  c.p.tile_output("noise", gumbel(c.in[0], c.in[1]));
  c.p.tile_output("bound", gumbel_bound(c.in[0]));
  Case run = make_case(c.p.build(), {1, static_cast<int64_t>(words.size()), 0});
  for (size_t i = 0; i < words.size(); ++i) {
    run.inputs[0].as<uint32_t>()[i] = words[i].hi;
    run.inputs[1].as<uint32_t>()[i] = words[i].lo;
  }
  auto check = [&](const std::string& where, const Outputs& outputs) {
    const auto* noise = outputs[0].as<float>();
    const auto* bound = outputs[1].as<float>();
    int64_t below = 0;
    int64_t not_positive = 0;
    double widest = 0;
    for (size_t i = 0; i < words.size(); ++i) {
      below += !(bound[i] >= noise[i]);
      not_positive += !(bound[i] > 0);
      if (words[i].hi >= 64 && words[i].hi < 1u << 28)
        widest = std::max(widest, static_cast<double>(bound[i]) - noise[i]);
    }
    INFO(where);
    CHECK(below == 0);
    CHECK(not_positive == 0);
    CHECK(widest <= 0.09);
    CHECK(widest >= 0.05);  // there are words where it is not tight
  };
  check("interpreter", run_interpreter(run));
  for (const auto& engine : engines()) check(engine->device().id, run_engine(run, *engine));
}

TEST_CASE("the noise of a token does not depend on the row or the schedule that computes it") {
  // The same (seed, offset) in rows 0, 5 and 30, and each engine's other schedules.
  ProgramBuilder p("noise");
  const Axis row = p.axis("row");
  const Axis col = p.axis("col");
  p.rows(row);
  p.columns(col);
  const Expr seed = p.input("seed", DType::u64, {row}).at({row.index()});
  const Expr offset = p.input("offset", DType::u64, {row}).at({row.index()});
  const auto stream = random_stream(seed, offset, 0);
  const Split split = p.split(col, 0x39);
  p.tile_output("per_token", gumbel_per_token(stream, col).gumbel);
  const Expr zero = cast(col.index() & 0, DType::f32);
  const GroupNoise group = gumbel_per_group(stream, split.group);
  p.tile_output("grouped", group.gumbel + zero);
  p.tile_output("selection", group.selection + (col.index() & 0));
  constexpr int64_t kRows = 33;
  constexpr int64_t kColumns = 705;
  Case run = make_case(p.build(), {kRows, kColumns, 0});
  Random random(5);
  for (int64_t r = 0; r < kRows; ++r) {
    run.input("seed").as<uint64_t>()[r] =
        r == 5 || r == 30 ? run.input("seed").as<uint64_t>()[0] : random.next();
    run.input("offset").as<uint64_t>()[r] =
        r == 5 || r == 30 ? run.input("offset").as<uint64_t>()[0] : random.next();
  }
  const Outputs reference = run_interpreter(run);
  for (const auto& engine : engines()) {
    Random pick(1);
    const Problem problem{kColumns, 0, kRows, 16};
    std::vector<std::byte> first;
    for (const Schedule& schedule :
         sample_schedules(run.program, problem, engine->device().target, pick, 3)) {
      INFO(engine->device().id, " ", schedule.str());
      const Outputs outputs = run_engine(run, *engine, schedule);
      if (first.empty()) first = outputs[0].bytes;
      CHECK(outputs[0].bytes == first);
      CHECK(outputs[2].bytes == reference[2].bytes);
      for (size_t i : {0, 1}) {
        const auto* g = outputs[i].as<float>();
        const auto* expected = reference[i].as<float>();
        double worst = 0;
        for (int64_t at = 0; at < kRows * kColumns; ++at)
          worst = std::max(worst, std::fabs(static_cast<double>(g[at]) - expected[at]));
        CHECK(worst <= 4e-4);
        for (int64_t r : {5, 30}) CHECK(std::equal(g, g + kColumns, g + r * kColumns));
        CHECK_FALSE(std::equal(g, g + kColumns, g + kColumns));
      }
    }
  }
}

}  // namespace
}  // namespace gumtile::test
