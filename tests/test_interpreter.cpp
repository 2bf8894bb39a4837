// The reference interpreter: every op at its edge cases, partial groups, inactive rows.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <type_traits>
#include <vector>

#include "gumtile/dsl.h"
#include "gumtile/dsl_functions.h"
#include "tests/program_run.h"

namespace gumtile::test {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
const float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr int32_t kMin32 = std::numeric_limits<int32_t>::min();
constexpr int32_t kMax32 = std::numeric_limits<int32_t>::max();
constexpr int64_t kMin64 = std::numeric_limits<int64_t>::min();
constexpr int64_t kMax64 = std::numeric_limits<int64_t>::max();

template <typename T>
constexpr DType dtype_of() {
  if constexpr (std::is_same_v<T, float>) return DType::f32;
  if constexpr (std::is_same_v<T, int32_t>) return DType::i32;
  if constexpr (std::is_same_v<T, uint32_t>) return DType::u32;
  if constexpr (std::is_same_v<T, int64_t>) return DType::i64;
  if constexpr (std::is_same_v<T, uint64_t>) return DType::u64;
  return DType::pred;
}

/// `function` of each column of the inputs, in a separate Program.
template <typename Result, typename Function, typename... T>
std::vector<Result> apply(const Function& function, const std::vector<T>&... inputs) {
  ProgramBuilder p("apply");
  const Axis row = p.axis("row");
  const Axis col = p.axis("col");
  p.rows(row);
  p.columns(col);
  int next = 0;
  auto load = [&](DType dtype) {
    return p.input(fmt::format("in{}", next++), dtype, {row, col}).at({row.index(), col.index()});
  };
  const std::vector<Expr> loaded{load(dtype_of<T>())...};
  if constexpr (sizeof...(T) == 1)
    p.tile_output("out", function(loaded[0]), dtype_of<Result>());
  else if constexpr (sizeof...(T) == 2)
    p.tile_output("out", function(loaded[0], loaded[1]), dtype_of<Result>());
  else
    p.tile_output("out", function(loaded[0], loaded[1], loaded[2]), dtype_of<Result>());
  const Program program = p.build();
  const std::array<size_t, sizeof...(T)> sizes{inputs.size()...};
  std::vector<Result> out(sizes[0]);
  HostRun run(program, {1, static_cast<int64_t>(sizes[0])});
  next = 0;
  (run.in(fmt::format("in{}", next++), inputs), ...);
  run.out("out", out).run();
  return out;
}

template <typename T>
std::vector<uint32_t> bits_of(const std::vector<T>& values) {
  std::vector<uint32_t> bits;
  for (const T& value : values) bits.push_back(std::bit_cast<uint32_t>(value));
  return bits;
}

TEST_CASE("Philox4x32 gives Random123's known answers") {
  struct Answer {
    int rounds;
    std::array<uint32_t, 4> counter;
    std::array<uint32_t, 2> key;
    std::array<uint32_t, 4> words;
  };
  constexpr uint32_t kOnes = 0xffffffff;
  const Answer answers[] = {
      {7, {0, 0, 0, 0}, {0, 0}, {0x5f6fb709, 0x0d893f64, 0x4f121f81, 0x4f730a48}},
      {7, {kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}, {0x5207ddc2, 0x45165e59, 0x4d8ee751, 0x8c52f662}},
      {7,
       {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
       {0xa4093822, 0x299f31d0},
       {0x4dfccaba, 0x190a87f0, 0xc47362ba, 0xb6b5242a}},
      {10, {0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
      {10, {kOnes, kOnes, kOnes, kOnes}, {kOnes, kOnes}, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
      {10,
       {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
       {0xa4093822, 0x299f31d0},
       {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
      {10, {1, 0, 0, 0}, {1, 0}, {0xac08141b, 0xdfc5ccbe, 0x79c07a47, 0xa7f66093}},
  };
  for (const Answer& a : answers) {
    ProgramBuilder p("philox");
    const Axis row = p.axis("row");
    const Axis col = p.axis("col");
    p.rows(row);
    p.columns(col);
    auto word = [&](uint32_t value) { return p.constant_u32(value); };
    const auto words =
        philox({word(a.counter[0]), word(a.counter[1]), word(a.counter[2]), word(a.counter[3])},
               {word(a.key[0]), word(a.key[1])}, a.rounds);
    for (size_t i = 0; i < 4; ++i) p.output(fmt::format("w{}", i), words[i]);
    const Program program = p.build();
    std::array<std::vector<uint32_t>, 4> out;
    HostRun run(program, {1, 1});
    for (size_t i = 0; i < 4; ++i) {
      out[i].resize(1);
      run.out(fmt::format("w{}", i), out[i]);
    }
    run.run();
    for (size_t i = 0; i < 4; ++i) CHECK(out[i][0] == a.words[i]);
  }
}

TEST_CASE("casts of floats to integers saturate, NaN gives 0, fractions go towards 0") {
  const std::vector<float> x{0.0f,           -0.0f,         1.9f,          -1.9f,         kNan,
                             kInf,           -kInf,         2147483520.0f, 2147483648.0f, -2147483648.0f,
                             -2147483904.0f, 4294967040.0f, 4294967296.0f, 9.3e18f,       -9.3e18f,
                             1.9e19f,        1e30f,         -1e30f};
  const auto to = [&](DType dtype) { return [dtype](Expr e) { return cast(e, dtype); }; };
  CHECK(apply<int32_t>(to(DType::i32), x) == std::vector<int32_t>{0, 0, 1, -1, 0, kMax32, kMin32, 2147483520,
                                                                  kMax32, kMin32, kMin32, kMax32, kMax32,
                                                                  kMax32, kMin32, kMax32, kMax32, kMin32});
  constexpr uint32_t kMaxU = ~0u;
  CHECK(apply<uint32_t>(to(DType::u32), x) == std::vector<uint32_t>{0, 0, 1, 0, 0, kMaxU, 0, 2147483520,
                                                                    2147483648u, 0, 0, 4294967040u, kMaxU,
                                                                    kMaxU, 0, kMaxU, kMaxU, 0});
  CHECK(apply<int64_t>(to(DType::i64), x) ==
        std::vector<int64_t>{0, 0, 1, -1, 0, kMax64, kMin64, 2147483520, 2147483648, -2147483648, -2147483904,
                             4294967040, 4294967296, kMax64, kMin64, kMax64, kMax64, kMin64});
  CHECK(apply<uint64_t>(to(DType::u64), x) ==
        std::vector<uint64_t>{0, 0, 1, 0, 0, ~uint64_t{0}, 0, 2147483520, 2147483648, 0, 0, 4294967040,
                              4294967296, static_cast<uint64_t>(9.3e18f), 0, ~uint64_t{0}, ~uint64_t{0}, 0});
  CHECK(apply<uint8_t>(to(DType::pred), std::vector<float>{0.0f, -0.0f, 1.0f, kNan, 1e-45f}) ==
        std::vector<uint8_t>{0, 0, 1, 1, 1});
}

TEST_CASE("casts of integers wrap, extend by sign, and round to nearest even as floats") {
  const std::vector<int64_t> x{0, -1, kMin64, kMax64, 0x123456789, -0x123456789};
  CHECK(apply<int32_t>([](Expr e) { return cast(e, DType::i32); }, x) ==
        std::vector<int32_t>{0, -1, 0, -1, 0x23456789, -0x23456789});
  CHECK(apply<uint32_t>([](Expr e) { return cast(e, DType::u32); }, x) ==
        std::vector<uint32_t>{0, ~0u, 0, ~0u, 0x23456789, 0xdcba9877});
  CHECK(apply<uint64_t>([](Expr e) { return cast(e, DType::u64); }, std::vector<int32_t>{-1, 5}) ==
        std::vector<uint64_t>{~uint64_t{0}, 5});
  CHECK(apply<int64_t>([](Expr e) { return cast(e, DType::i64); }, std::vector<uint32_t>{~0u, 5}) ==
        std::vector<int64_t>{4294967295, 5});
  CHECK(apply<uint8_t>([](Expr e) { return cast(e, DType::pred); }, std::vector<int32_t>{0, 2, -1}) ==
        std::vector<uint8_t>{0, 1, 1});
  CHECK(apply<uint32_t>([](Expr e) { return cast(e < 3, DType::u32); }, std::vector<int32_t>{0, 3}) ==
        std::vector<uint32_t>{1, 0});
  CHECK(apply<float>([](Expr e) { return cast(e, DType::f32); },
                     std::vector<uint32_t>{16777217, 16777219, ~0u, 0}) ==
        std::vector<float>{16777216.0f, 16777220.0f, 4294967296.0f, 0.0f});
  CHECK(apply<float>([](Expr e) { return cast(e, DType::f32); }, std::vector<int32_t>{-16777217, kMin32}) ==
        std::vector<float>{-16777216.0f, -2147483648.0f});
  CHECK(apply<float>([](Expr e) { return cast(e, DType::f32); },
                     std::vector<uint64_t>{~uint64_t{0}, (uint64_t{1} << 40) + 1}) ==
        std::vector<float>{0x1p64f, 0x1p40f});
  CHECK(apply<uint32_t>([](Expr e) { return bitcast(e, DType::u32); }, std::vector<float>{1.0f, -0.0f}) ==
        std::vector<uint32_t>{0x3f800000, 0x80000000});
}

TEST_CASE("min and max of floats propagate NaN and order zeros") {
  const std::vector<float> a{1, kNan, 1, kNan, -0.0f, 0.0f, kInf, -kInf};
  const std::vector<float> b{2, 1, kNan, kNan, 0.0f, -0.0f, kNan, 3};
  const auto low = apply<float>([](Expr x, Expr y) { return min(x, y); }, a, b);
  const auto high = apply<float>([](Expr x, Expr y) { return max(x, y); }, a, b);
  CHECK(low[0] == 1);
  CHECK(high[0] == 2);
  for (size_t i : {1, 2, 3, 6}) {
    CHECK(std::isnan(low[i]));
    CHECK(std::isnan(high[i]));
  }
  for (size_t i : {4, 5}) {
    CHECK(std::signbit(low[i]));
    CHECK_FALSE(std::signbit(high[i]));
  }
  CHECK(low[7] == -kInf);
  CHECK(high[7] == 3);
}

TEST_CASE("min, max and comparisons of integers know signs") {
  const std::vector<int32_t> a{-1, kMin32, 5};
  const std::vector<int32_t> b{1, kMax32, 5};
  CHECK(apply<int32_t>([](Expr x, Expr y) { return min(x, y); }, a, b) ==
        std::vector<int32_t>{-1, kMin32, 5});
  CHECK(apply<int32_t>([](Expr x, Expr y) { return max(x, y); }, a, b) == std::vector<int32_t>{1, kMax32, 5});
  CHECK(apply<uint8_t>([](Expr x, Expr y) { return x < y; }, a, b) == std::vector<uint8_t>{1, 1, 0});
  const std::vector<uint32_t> u{~0u, 0x80000000u, 5};
  const std::vector<uint32_t> v{1, 0x7fffffffu, 5};
  CHECK(apply<uint32_t>([](Expr x, Expr y) { return min(x, y); }, u, v) ==
        std::vector<uint32_t>{1, 0x7fffffffu, 5});
  CHECK(apply<uint8_t>([](Expr x, Expr y) { return x <= y; }, u, v) == std::vector<uint8_t>{0, 0, 1});
  const std::vector<int64_t> l{-1, kMin64};
  const std::vector<int64_t> m{1, kMax64};
  CHECK(apply<uint8_t>([](Expr x, Expr y) { return x < y; }, l, m) == std::vector<uint8_t>{1, 1});
  CHECK(apply<int64_t>([](Expr x, Expr y) { return max(x, y); }, l, m) == std::vector<int64_t>{1, kMax64});
  const std::vector<uint64_t> n{~uint64_t{0}, 1};
  const std::vector<uint64_t> o{1, ~uint64_t{0}};
  CHECK(apply<uint8_t>([](Expr x, Expr y) { return x < y; }, n, o) == std::vector<uint8_t>{0, 1});
}

TEST_CASE("comparisons with NaN are false but for ne") {
  const std::vector<float> a{kNan, 1, kNan, 0.0f};
  const std::vector<float> b{1, kNan, kNan, -0.0f};
  using Bytes = std::vector<uint8_t>;
  CHECK(apply<uint8_t>([](Expr x, Expr y) { return x == y; }, a, b) == Bytes{0, 0, 0, 1});
  CHECK(apply<uint8_t>([](Expr x, Expr y) { return x != y; }, a, b) == Bytes{1, 1, 1, 0});
  CHECK(apply<uint8_t>([](Expr x, Expr y) { return x < y; }, a, b) == Bytes{0, 0, 0, 0});
  CHECK(apply<uint8_t>([](Expr x, Expr y) { return x <= y; }, a, b) == Bytes{0, 0, 0, 1});
  CHECK(apply<uint8_t>([](Expr x, Expr y) { return x > y; }, a, b) == Bytes{0, 0, 0, 0});
  CHECK(apply<uint8_t>([](Expr x, Expr y) { return ~(x >= y); }, a, b) == Bytes{1, 1, 1, 0});
}

TEST_CASE("shift counts are taken modulo the width; right shifts keep the sign of signed types") {
  const std::vector<uint32_t> x(6, 0x80000001u);
  const std::vector<uint32_t> n{0, 1, 31, 32, 33, ~0u};
  CHECK(apply<uint32_t>([](Expr a, Expr b) { return a << b; }, x, n) ==
        std::vector<uint32_t>{0x80000001u, 2, 0x80000000u, 0x80000001u, 2, 0x80000000u});
  CHECK(apply<uint32_t>([](Expr a, Expr b) { return a >> b; }, x, n) ==
        std::vector<uint32_t>{0x80000001u, 0x40000000u, 1, 0x80000001u, 0x40000000u, 1});
  const std::vector<int32_t> y(4, kMin32 + 1);
  CHECK(apply<int32_t>([](Expr a, Expr b) { return a >> b; }, y, std::vector<int32_t>{1, 31, 32, -1}) ==
        std::vector<int32_t>{kMin32 / 2, -1, kMin32 + 1, -1});
  CHECK(apply<int32_t>([](Expr a, Expr b) { return a << b; }, y, std::vector<int32_t>{1, 31, 32, -1}) ==
        std::vector<int32_t>{2, kMin32, kMin32 + 1, kMin32});
  const std::vector<uint64_t> z(4, 0x8000000000000001u);
  CHECK(apply<uint64_t>([](Expr a, Expr b) { return a >> b; }, z, std::vector<uint64_t>{32, 63, 64, 65}) ==
        std::vector<uint64_t>{0x80000000u, 1, 0x8000000000000001u, 0x4000000000000000u});
  CHECK(apply<int64_t>([](Expr a, Expr b) { return a >> b; }, std::vector<int64_t>{kMin64, kMin64},
                       std::vector<int64_t>{63, 64}) == std::vector<int64_t>{-1, kMin64});
}

TEST_CASE("integer arithmetic wraps") {
  const std::vector<uint32_t> a{~0u, 0, 0x10000, 0xffffffff};
  const std::vector<uint32_t> b{1, 1, 0x10000, 0xffffffff};
  CHECK(apply<uint32_t>([](Expr x, Expr y) { return x + y; }, a, b) ==
        std::vector<uint32_t>{0, 1, 0x20000, 0xfffffffe});
  CHECK(apply<uint32_t>([](Expr x, Expr y) { return x - y; }, a, b) ==
        std::vector<uint32_t>{0xfffffffe, ~0u, 0, 0});
  CHECK(apply<uint32_t>([](Expr x, Expr y) { return x * y; }, a, b) == std::vector<uint32_t>{~0u, 0, 0, 1});
  CHECK(apply<uint32_t>([](Expr x, Expr y) { return mulhi(x, y); }, a, b) ==
        std::vector<uint32_t>{0, 0, 1, 0xfffffffe});
  CHECK(apply<uint32_t>([](Expr x) { return ~x; }, a) == std::vector<uint32_t>{0, ~0u, 0xfffeffff, 0});
  const std::vector<int32_t> c{kMin32, -5, 5};
  CHECK(apply<int32_t>([](Expr x) { return -x; }, c) == std::vector<int32_t>{kMin32, 5, -5});
  CHECK(apply<int32_t>([](Expr x) { return abs(x); }, c) == std::vector<int32_t>{kMin32, 5, 5});
  CHECK(apply<int32_t>([](Expr x, Expr y) { return x * y; }, c, c) == std::vector<int32_t>{0, 25, 25});
  CHECK(apply<int64_t>([](Expr x) { return abs(x) + 1; }, std::vector<int64_t>{kMin64, -7}) ==
        std::vector<int64_t>{kMin64 + 1, 8});
  CHECK(apply<uint64_t>([](Expr x) { return x + 1; }, std::vector<uint64_t>{~uint64_t{0}}) ==
        std::vector<uint64_t>{0});
  CHECK(apply<uint32_t>([](Expr x, Expr y) { return (x & y) ^ (x | y); }, std::vector<uint32_t>{0b1100},
                        std::vector<uint32_t>{0b1010}) == std::vector<uint32_t>{0b0110});
}

TEST_CASE("float arithmetic is that of IEEE, in f32") {
  const std::vector<float> a{0x1.000002p0f, 1, -1, 0, kInf};
  const std::vector<float> b{0x1.000002p0f, 0, 0, 0, kInf};
  const std::vector<float> c{-0x1.000004p0f, 1, 1, 1, 1};
  const auto fused = apply<float>([](Expr x, Expr y, Expr z) { return fma(x, y, z); }, a, b, c);
  const auto split = apply<float>([](Expr x, Expr y, Expr z) { return x * y + z; }, a, b, c);
  CHECK(fused[0] == 0x1p-46f);
  CHECK(split[0] == 0.0f);
  const auto quotient = apply<float>([](Expr x, Expr y) { return x / y; }, a, b);
  CHECK(quotient[1] == kInf);
  CHECK(quotient[2] == -kInf);
  CHECK(std::isnan(quotient[3]));
  CHECK(std::isnan(apply<float>([](Expr x, Expr y) { return x - y; }, a, b)[4]));
  CHECK(bits_of(apply<float>([](Expr x) { return -x; }, std::vector<float>{0.0f, -1.0f})) ==
        std::vector<uint32_t>{0x80000000, 0x3f800000});
  CHECK(bits_of(apply<float>([](Expr x) { return abs(x); }, std::vector<float>{-0.0f, -kInf})) ==
        std::vector<uint32_t>{0, 0x7f800000});
}

TEST_CASE("functions of floats on their edges") {
  const std::vector<float> x{0.5f, 1.5f, 2.5f, -0.5f, -1.5f, 0.49999997f, 8388609.0f, kInf};
  CHECK(apply<float>([](Expr e) { return rint(e); }, x) ==
        std::vector<float>{0, 2, 2, -0.0f, -2, 0, 8388609.0f, kInf});
  CHECK(apply<float>([](Expr e) { return floor(e); }, x) ==
        std::vector<float>{0, 1, 2, -1, -2, 0, 8388609.0f, kInf});
  const std::vector<float> y{0.0f, -kInf, kInf, 1.0f, -1.0f};
  const auto e = apply<float>([](Expr v) { return exp(v); }, y);
  CHECK(e[0] == 1);
  CHECK(e[1] == 0);
  CHECK(e[2] == kInf);
  CHECK(apply<float>([](Expr v) { return exp2(v); }, std::vector<float>{-149, -150, 127, 128, 3}) ==
        std::vector<float>{0x1p-149f, 0, 0x1p127f, kInf, 8});
  const auto l = apply<float>([](Expr v) { return log(v); }, y);
  CHECK(l[0] == -kInf);
  CHECK(std::isnan(l[1]));
  CHECK(l[2] == kInf);
  CHECK(l[3] == 0);
  CHECK(std::isnan(l[4]));
  CHECK(apply<float>([](Expr v) { return log2(v); }, std::vector<float>{8, 0x1p-149f}) ==
        std::vector<float>{3, -149});
  CHECK(apply<float>([](Expr v) { return tanh(v); }, std::vector<float>{0, 100, -kInf}) ==
        std::vector<float>{0, 1, -1});
}

TEST_CASE("select and branch choose; both sides may be of any type") {
  const std::vector<int32_t> c{1, 0};
  const std::vector<uint64_t> a{1, 2};
  const std::vector<uint64_t> b{3, ~uint64_t{0}};
  CHECK(apply<uint64_t>([](Expr x, Expr y, Expr z) { return select(x != 0, y, z); }, c, a, b) ==
        std::vector<uint64_t>{1, ~uint64_t{0}});
  CHECK(apply<uint64_t>([](Expr x, Expr y, Expr z) { return branch(x == 0, y, z); }, c, a, b) ==
        std::vector<uint64_t>{3, 2});
}

TEST_CASE("groups at the end of the columns have only the members that exist") {
  ProgramBuilder p("groups");
  const Axis row = p.axis("row");
  const Axis col = p.axis("col");
  p.rows(row);
  const Expr x = p.input("x", DType::u32, {row, col}).at({row.index(), col.index()});
  const Split split = p.split(col, 0x39);
  const Expr sum = reduce_sum(x, split.member);
  const Expr least = reduce("least", split.member, {x}, {p.constant_u32(~0u)},
                            [](auto a, auto b) { return std::vector<Expr>{min(a[0], b[0])}; })[0];
  p.output("total", reduce_sum(sum, split.group));
  p.output("least_sum", reduce("least_sum", split.group, {sum}, {p.constant_u32(~0u)},
                               [](auto a, auto b) { return std::vector<Expr>{min(a[0], b[0])}; })[0]);
  p.output("count", reduce_sum(split.group.index() * 0 + 1, split.group));
  p.output("last_group", reduce("last", split.group, {split.group.index()}, {0},
                                [](auto a, auto b) { return std::vector<Expr>{max(a[0], b[0])}; })[0]);
  p.tile_output("mine", least + (col.index() & 0));
  const Program program = p.build();
  for (int64_t columns : {1, 7, 63, 64, 65, 130, 1023, 1025, 2049}) {
    INFO(columns);
    constexpr int64_t kRows = 3;
    std::mt19937 random(static_cast<uint32_t>(columns));
    std::vector<uint32_t> values(static_cast<size_t>(kRows * columns));
    for (uint32_t& v : values) v = random() % 1000 + 1;
    std::vector<uint32_t> total(kRows), least_sum(kRows), counted(kRows), last(kRows), mine(values.size());
    HostRun(program, {kRows, columns})
        .in("x", values)
        .out("total", total)
        .out("least_sum", least_sum)
        .out("count", counted)
        .out("last_group", last)
        .out("mine", mine)
        .run();
    for (int64_t r = 0; r < kRows; ++r) {
      uint32_t expected_total = 0, expected_least = ~0u, n = 0;
      int64_t wrong = 0;
      for (int64_t g = 0; g < groups_of(columns); ++g) {
        uint32_t s = 0;
        uint32_t low = ~0u;
        for (int64_t v : members(g, columns)) {
          s += values[static_cast<size_t>(r * columns + v)];
          low = std::min(low, values[static_cast<size_t>(r * columns + v)]);
        }
        if (members(g, columns).empty()) continue;
        ++n;
        for (int64_t v : members(g, columns)) wrong += mine[static_cast<size_t>(r * columns + v)] != low;
        expected_total += s;
        expected_least = std::min(expected_least, s);
      }
      const auto at = static_cast<size_t>(r);
      CHECK(wrong == 0);
      CHECK(total[at] == expected_total);
      CHECK(least_sum[at] == expected_least);
      CHECK(counted[at] == n);
      CHECK(last[at] < static_cast<uint32_t>(groups_of(columns)));
    }
  }
}

TEST_CASE("select_ordered finds the first member whose running sum exceeds the threshold") {
  ProgramBuilder p("select");
  const Axis row = p.axis("row");
  const Axis col = p.axis("col");
  p.rows(row);
  const Expr w = p.input("w", DType::u32, {row, col}).at({row.index(), col.index()});
  const Expr t = p.input("t", DType::u32, {row}).at({row.index()});
  const Split split = p.split(col, 0x39);
  p.tile_output("chosen", select_ordered(split, w, t) + (col.index() & 0));
  const Program program = p.build();
  for (int64_t columns : {1, 7, 65, 130}) {
    constexpr int64_t kRows = 40;
    std::mt19937 random(5);
    std::vector<uint32_t> weights(static_cast<size_t>(kRows * columns));
    for (uint32_t& v : weights) v = random() % 3 == 0 ? 0 : random() % 4;
    std::vector<uint32_t> threshold(kRows);
    for (size_t r = 0; r < kRows; ++r) threshold[r] = static_cast<uint32_t>(r) / 2;
    std::vector<uint32_t> chosen(weights.size());
    HostRun(program, {kRows, columns}).in("w", weights).in("t", threshold).out("chosen", chosen).run();
    int64_t wrong = 0;
    for (int64_t r = 0; r < kRows; ++r)
      for (int64_t g = 0; g < groups_of(columns); ++g) {
        const std::vector<int64_t> all = members(g, columns);
        uint32_t sum = 0;
        for (size_t i = 0; i < all.size(); ++i) {
          sum += weights[static_cast<size_t>(r * columns + all[i])];
          if (sum <= threshold[static_cast<size_t>(r)]) continue;
          for (int64_t v : all)
            wrong += chosen[static_cast<size_t>(r * columns + v)] != static_cast<uint32_t>(all[i]);
          break;
        }
        // If no sum exceeds it, the last column of the whole group, which may be past the end.
        if (sum <= threshold[static_cast<size_t>(r)])
          for (int64_t v : all)
            wrong += chosen[static_cast<size_t>(r * columns + v)] !=
                     static_cast<uint32_t>(members(g, 1 << 20).back());
      }
    CHECK(wrong == 0);
  }
}

TEST_CASE("contractions round their operands and accumulate exactly enough") {
  ProgramBuilder p("dot");
  const Axis row = p.axis("row");
  const Axis col = p.axis("col");
  const Axis k = p.axis("k");
  p.tile_output("y", p.contract(p.input("a", DType::f32, {row, k}), p.input("w", DType::bf16, {col, k}), k));
  const Program program = p.build();
  const std::vector<float> a{1.00390625f, 1e8f, 1.0f, -1e8f};  // the first rounds to 1 in bf16, a tie to even
  const std::vector<uint16_t> w{
      float_to_bf16(1), float_to_bf16(1), float_to_bf16(1), float_to_bf16(1), float_to_bf16(3), 0, 0, 0};
  std::vector<float> y(2);
  HostRun(program, {1, 2, 4}).in("a", a).in("w", w).out("y", y).run();
  CHECK(y == std::vector<float>{2, 3});
}

TEST_CASE("gathered rows: repeated, negative ones are zeros, those of rejected rows are not followed") {
  ProgramBuilder p("gather");
  const Axis row = p.axis("row");
  const Axis col = p.axis("col");
  const Axis k = p.axis("k");
  const Tensor a = p.input("a", DType::f32, {row, k});
  const Tensor w = p.input("w", DType::f32, {col, k});
  const Tensor index = p.optional_input("index", DType::i32, {row});
  p.guard(p.input("active", DType::i32, {row}).at({row.index()}) != 0);
  p.tile_output("y", p.contract(a, w, k, std::nullopt, index));
  const Program program = p.build();
  const std::vector<float> values{1, 2, 3, 4, 5, 6};  // three rows
  const std::vector<float> weights{10, 1};
  const std::vector<int32_t> rows{2, -1, 0, 1 << 30, 2};
  const std::vector<int32_t> active{1, 1, 1, 0, 1};
  std::vector<float> y(5, -7);
  HostRun(program, {5, 1, 2})
      .in("a", values)
      .in("w", weights)
      .in("index", rows)
      .in("active", active)
      .out("y", y)
      .run();
  CHECK(y == std::vector<float>{56, 0, 12, -7, 56});
  y.assign(3, -7);
  HostRun(program, {3, 1, 2}).in("a", values).in("w", weights).in("active", active).out("y", y).run();
  CHECK(y == std::vector<float>{12, 34, 56});
}

TEST_CASE("values are stored at their positions, or where those are negative not at all") {
  for (DType type : {DType::i32, DType::u32, DType::i64}) {
    ProgramBuilder p("scatter");
    const Axis row = p.axis("row");
    const Axis col = p.axis("col");
    p.rows(row);
    p.columns(col);
    const Expr x = p.input("x", DType::f32, {row, col}).at({row.index(), col.index()});
    const Expr at =
        p.optional_input("at", DType::i32, {row}).at({row.index(), cast(row.index(), DType::i32)});
    p.scattered_output("y", cast(reduce_max(x, col), DType::i64) - p.constant_i64(int64_t{1} << 60),
                       type == DType::u32 ? cast(max(at, 0), type) : cast(at, type));
    p.output("z", reduce_max(x, col));
    const Program program = p.build();
    const std::vector<float> values{1, 2, 3, 4};
    const std::vector<int32_t> positions{5, -1, -0x7fffffff, 1};
    std::vector<int64_t> y(6, -7);
    std::vector<float> z(4);
    HostRun(program, {4, 1}).in("x", values).in("at", positions).out("y", y).out("z", z).run();
    constexpr int64_t kBase = -(int64_t{1} << 60);
    if (type == DType::u32)
      CHECK(y == std::vector<int64_t>{kBase + 3, kBase + 4, -7, -7, -7, kBase + 1});
    else
      CHECK(y == std::vector<int64_t>{-7, kBase + 4, -7, -7, -7, kBase + 1});
    CHECK(z == values);
    HostRun(program, {4, 1}).in("x", values).out("y", y).run();
    CHECK(std::vector<int64_t>(y.begin(), y.begin() + 4) ==
          std::vector<int64_t>{kBase + 1, kBase + 2, kBase + 3, kBase + 4});
  }
}

TEST_CASE("matrices have row strides; 16-bit values are widened and narrowed") {
  ProgramBuilder p("strided");
  const Axis row = p.axis("row");
  const Axis col = p.axis("col");
  p.rows(row);
  p.columns(col);
  const Expr x = p.input("x", DType::f16, {row, col}).at({row.index(), col.index()});
  p.tile_output("y", x + 1.0f, DType::bf16);
  const Program program = p.build();
  const std::vector<uint16_t> x_bits{float_to_f16(1), float_to_f16(2), 0x7e00,
                                     float_to_f16(3), float_to_f16(4), 0x7e00};
  std::vector<uint16_t> y(8, 0xabcd);
  HostRun(program, {2, 2}).in("x", x_bits, 3).out("y", y, 4).run();
  CHECK(y == std::vector<uint16_t>{float_to_bf16(2), float_to_bf16(3), 0xabcd, 0xabcd, float_to_bf16(4),
                                   float_to_bf16(5), 0xabcd, 0xabcd});
}

TEST_CASE("an input that is not bound is an error, an optional one is not") {
  const Program program = greedy_argmax(DType::f32, DType::f32);
  const std::vector<float> h{1};
  std::vector<int32_t> token(1);
  check_error(error_of([&] {
                HostRun(program, {1, 1, 1}).in("hidden_states", h).out("token", token).run();
              }),
              ErrorCode::bad_data, {"input 'weights' is not bound"});
  check_error(error_of([&] {
                interpret(program, {1, 1, 1}, {}, {});
              }),
              ErrorCode::bad_data, {"'greedy_argmax' takes 2 inputs and 2 outputs, 0 and 0 are bound"});
}

}  // namespace
}  // namespace gumtile::test
