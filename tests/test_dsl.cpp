// The builder of Programs: what it shares, removes and refuses, and monoids written by users.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "gumtile/dsl.h"
#include "gumtile/dsl_functions.h"
#include "gumtile/programs.h"
#include "ir/analysis.h"
#include "ir/reduction_kind.h"
#include "tests/program_run.h"

namespace gumtile::test {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

/// A builder with an input x f32 [row, col] and its value at (row, col).
struct Base {
  explicit Base(const char* name = "p")
      : p(name), row(p.axis("row")), col(p.axis("col")), x((p.rows(row), p.columns(col), load())) {}

  ProgramBuilder p;
  Axis row;
  Axis col;
  Expr x;

 private:
  Expr load() { return p.input("x", DType::f32, {row, col}).at({row.index(), col.index()}); }
};

size_t count(const Program& program, Op op) {
  return static_cast<size_t>(
      std::count_if(program.nodes.begin(), program.nodes.end(), [&](const Node& n) { return n.op == op; }));
}

void check_bad(const Error& error, const std::vector<std::string>& parts) {
  check_error(error, ErrorCode::bad_data, parts);
}

TEST_CASE("equal expressions are made once") {
  Base b;
  const Expr once = exp(b.x * 2.0f + 1.0f);
  const Expr again = exp(b.x * 2.0f + 1.0f);
  CHECK(once.id() == again.id());
  CHECK((b.x + 1.0f).id() != (b.x + 2.0f).id());
  CHECK((b.x - 1.0f).id() != (1.0f - b.x).id());
  b.p.tile_output("y", once + again);
  const Program program = b.p.build();
  CHECK(count(program, Op::exp) == 1);
  CHECK(count(program, Op::mul) == 1);
  CHECK(count(program, Op::load) == 1);
}

TEST_CASE("equal reductions of equal values are one reduction") {
  Base b;
  const Expr a = reduce_max(b.x, b.col);
  const Expr c = reduce_max(b.x, b.col);
  const Expr d = reduce_max(-b.x, b.col);
  CHECK(a.id() == c.id());
  CHECK(a.id() != d.id());
  b.p.output("y", a - d);
  const Program program = b.p.build();
  CHECK(program.reductions.size() == 1);  // the monoid is shared, too
  CHECK(count(program, Op::reduce) == 2);
}

TEST_CASE("what no output needs is removed") {
  Base b;
  const Expr unused = reduce_sum(exp(b.x), b.col);
  (void)(unused * 3.0f);
  const Expr used = reduce_max(b.x, b.col);
  b.p.output("y", used);
  const Program program = b.p.build();
  CHECK(program.reductions.size() == 1);
  CHECK(program.reductions[0].name == "max");
  CHECK(count(program, Op::exp) == 0);
  CHECK(program.nodes.size() == 5);  // two indices, load, reduce, get
}

TEST_CASE("a contraction that no output needs is removed, the inputs stay") {
  ProgramBuilder p("p");
  const Axis row = p.axis("row");
  const Axis col = p.axis("col");
  const Axis k = p.axis("k");
  const Tensor a = p.input("a", DType::f32, {row, k});
  const Tensor w = p.input("w", DType::bf16, {col, k});
  (void)p.contract(a, w, k);
  p.output("n", row.index());
  const Program program = p.build();
  CHECK(program.contractions.empty());
  CHECK(program.inputs.size() == 2);
}

TEST_CASE("a bound and the guard keep what they need") {
  Base b;
  const Expr limit = b.p.optional_input("limit", DType::i32, {}).at({b.p.constant(DType::i32, 9)});
  b.p.guard(cast(b.row.index(), DType::i32) < limit);
  const Pick best = argmax(b.x, b.col.index(), b.col, {}, b.x + 1.0f);
  b.p.output("y", best.index);
  const Program program = b.p.build();
  REQUIRE(program.reductions.size() == 1);
  REQUIRE(program.reductions[0].bound != kNone);
  CHECK(program.nodes[program.reductions[0].bound].op == Op::add);
  REQUIRE(program.row_guard != kNone);
  CHECK(program.nodes[program.row_guard].op == Op::lt);
}

TEST_CASE("building does not spend the builder") {
  Base b;
  b.p.output("y", reduce_max(b.x, b.col));
  const Program first = b.p.build();
  b.p.output("z", reduce_sum(b.x, b.col));
  const Program second = b.p.build();
  CHECK(first.outputs.size() == 1);
  CHECK(second.outputs.size() == 2);
  CHECK(parse_program(print(second)) == second);
}

TEST_CASE("mixed types are refused where they are written") {
  Base b;
  const Expr u = b.col.index();
  check_bad(error_of([&] { (void)(b.x + u); }), {"'add' of f32 and u32; cast one of them"});
  check_bad(error_of([&] { (void)(b.x < u); }), {"'lt' of f32 and u32"});
  check_bad(error_of([&] { (void)select(b.x < 0.0f, b.x, u); }), {"'select' of f32 and u32"});
  check_bad(error_of([&] { (void)mulhi(cast(u, DType::i32), u); }), {"'mulhi' of i32 and u32"});
}

TEST_CASE("types that an op does not take are refused when building") {
  struct Bad {
    const char* op;
    Expr (*make)(Expr x, Expr u);
  };
  const Bad table[] = {
      {"exp", [](Expr, Expr u) { return exp(u); }},
      {"not", [](Expr x, Expr) { return ~x; }},
      {"and", [](Expr x, Expr) { return x & x; }},
      {"shl", [](Expr x, Expr) { return x << 1; }},
      {"div", [](Expr, Expr u) { return u / 3; }},
      {"neg", [](Expr, Expr u) { return -u; }},
      {"mulhi", [](Expr x, Expr) { return mulhi(x, x); }},
      {"fma", [](Expr x, Expr u) { return fma(x, u, x); }},
      {"bitcast", [](Expr, Expr u) { return bitcast(cast(u, DType::u64), DType::f32); }},
      {"cast", [](Expr x, Expr) { return cast(x, DType::bf16); }},
      {"select", [](Expr x, Expr u) { return select(u, x, x); }},
  };
  for (const Bad& bad : table) {
    Base b;
    b.p.tile_output("y", bad.make(b.x, b.col.index()));
    check_bad(error_of([&] { b.p.build(); }), {"Program 'p'", fmt::format("({})", bad.op)});
  }
}

TEST_CASE("operations on literals only have no Program") {
  const auto parts = {std::string("an operation on literals only; compute it in C++, or make a constant()")};
  check_bad(error_of([] { (void)(Expr(1.0f) + Expr(2)); }), parts);
  check_bad(error_of([] { (void)exp(1.0f); }), parts);
  check_bad(error_of([] { (void)cast(1.0f, DType::u32); }), parts);
  check_bad(error_of([] { (void)fma(1.0f, 2.0f, 3.0f); }), parts);
  check_bad(error_of([] { (void)philox({0, 0, 0, 0}, {0, 0}); }), parts);
}

TEST_CASE("Exprs of another builder are refused") {
  Base a("first");
  Base b("second");
  check_bad(error_of([&] { (void)(a.x + b.x); }), {"Program 'first'", "an Expr of another builder"});
  check_bad(error_of([&] { (void)select(a.x < 0.0f, a.x, b.x); }), {"Program 'first'", "another builder"});
  check_bad(error_of([&] { b.p.tile_output("y", a.x); }), {"Program 'second'", "another builder"});
  check_bad(error_of([&] { b.p.guard(a.x < 0.0f); }), {"Program 'second'", "another builder"});
  check_bad(error_of([&] { reduce_max(a.x, b.col); }), {"Program 'second'", "another builder"});
  check_bad(error_of([&] {
              philox({b.col.index(), 0, 0, 0}, {a.col.index(), 0});
            }),
            {"Program 'second'", "another builder"});
}

TEST_CASE("a Tensor of another builder is refused") {
  Base a("first");
  ProgramBuilder b("second");
  const Axis row = b.axis("row");
  const Axis col = b.axis("col");
  const Axis k = b.axis("k");
  const Tensor mine = b.input("mine", DType::f32, {row, k});
  (void)b.input("weights", DType::f32, {col, k});
  const Tensor foreign = a.p.input("foreign", DType::f32, {a.col, a.row});
  check_bad(error_of([&] { b.contract(mine, foreign, k); }), {"another builder"});
}

TEST_CASE("a combine sees only its two states and literals") {
  Base b;
  auto reduce_with = [&](const Combine& combine) { reduce("mine", b.col, {b.x}, {0.0f}, combine); };
  check_bad(error_of([&] { reduce_with([&](auto l, auto) { return std::vector<Expr>{l[0] + b.x}; }); }),
            {"Program 'p.mine'", "a combine may use only its two states and literals"});
  check_bad(error_of([&] { reduce_with([&](auto l, auto) { return std::vector<Expr>{b.x + l[0]}; }); }),
            {"another builder (or of a combine's outside)"});
  check_bad(
      error_of([&] {
        reduce_with([&](auto l, auto) { return std::vector<Expr>{select(b.col.index() == 0, l[0], 0)}; });
      }),
      {"another builder (or of a combine's outside)"});
  check_bad(error_of([&] { reduce_with([&](auto, auto) { return std::vector<Expr>{b.x}; }); }),
            {"Program 'p.mine'", "a combine may use only its two states and literals"});
}

TEST_CASE("the parts of a monoid have one length and one type") {
  const Combine keep = [](auto l, auto) { return std::vector<Expr>(l.begin(), l.end()); };
  {
    Base b;
    check_bad(error_of([&] {
                reduce("mine", b.col, {b.x, b.x}, {0.0f}, keep);
              }),
              {"reduction 'mine'", "fewer identities than states"});
  }
  {
    Base b;
    const auto state =
        reduce("mine", b.col, {b.x, b.x}, {0.0f, 0.0f}, [](auto l, auto) { return std::vector<Expr>{l[0]}; });
    b.p.output("y", state[1]);
    check_bad(error_of([&] { b.p.build(); }), {"reduction 'mine'", "the same, non-zero length"});
  }
  {
    Base b;
    const auto state = reduce("mine", b.col, {b.x}, {0.0f},
                              [](auto l, auto) { return std::vector<Expr>{bitcast(l[0], DType::u32)}; });
    b.p.output("y", state[0]);
    check_bad(error_of([&] { b.p.build(); }), {"reduction 'mine'", "result 0 of the combine must be f32"});
  }
  {
    Base b;  // an identity is known when the Program is made
    check_bad(error_of([&] { reduce("mine", b.col, {b.x}, {b.x}, keep); }), {"reduction 'mine'", "identity"});
  }
  {
    Base b;  // … and of its state's type
    check_bad(error_of([&] { reduce("mine", b.col, {b.x}, {b.p.constant_u32(1)}, keep); }),
              {"reduction 'mine'", "identity"});
  }
  {
    Base b;
    check_bad(error_of([&] {
                reduce("mine", b.col, {b.x}, {0.0f, 0.0f}, keep);
              }),
              {"reduction 'mine'", "identit"});
  }
  {
    Base b;  // its name is a word of the text
    b.p.output("y", reduce("two words", b.col, {b.x}, {0.0f}, keep)[0]);
    check_bad(error_of([&] { b.p.build(); }), {"two words"});
  }
}

TEST_CASE("literals take the other operand's type or do not fit") {
  Base b;
  const Expr u = b.col.index();
  const Expr i = cast(u, DType::i32);
  const Expr l = cast(u, DType::u64);
  check_bad(error_of([&] { (void)(u + 1.5f); }), {"the literal 1.5 does not fit u32"});
  check_bad(error_of([&] { (void)(u + -1); }), {"the literal -1 does not fit u32"});
  check_bad(error_of([&] { (void)(u & 4294967296.0); }), {"does not fit u32"});
  check_bad(error_of([&] { (void)(i + 2147483648.0); }), {"does not fit i32"});
  check_bad(error_of([&] { (void)(i + -2147483649.0); }), {"does not fit i32"});
  check_bad(error_of([&] { (void)(i + std::nan("")); }), {"does not fit i32"});
  check_bad(error_of([&] { (void)(u + std::numeric_limits<double>::infinity()); }),
            {"the literal inf does not fit u32"});
  check_bad(error_of([&] { (void)(l + 1e17); }), {"does not fit u64"});
  check_bad(error_of([&] { (void)(l + -1); }), {"does not fit u64"});
  check_bad(error_of([&] { (void)(cast(u, DType::i64) + 1e17); }), {"does not fit i64"});
  check_bad(error_of([&] { (void)((u == 0) & 2); }), {"the literal 2 does not fit pred"});
  check_bad(error_of([&] { b.p.constant(DType::i32, 0.5); }), {"the literal 0.5 does not fit i32"});
  check_bad(error_of([&] { (void)(b.x + 1e39); }), {"does not fit f32"});
  CHECK((u + 4294967295.0).dtype() == DType::u32);
  CHECK((i + -2147483648.0).dtype() == DType::i32);
  CHECK((b.x + kInf).dtype() == DType::f32);
  CHECK((2 * b.x).dtype() == DType::f32);
  CHECK((1 + l).dtype() == DType::u64);
  CHECK(select(u == 0, 1.0f, 0.0f).dtype() == DType::f32);
}

TEST_CASE("loads check their indices") {
  Base b;
  const Tensor t = b.p.input("t", DType::f32, {b.row});
  b.p.tile_output("y", b.x + t.at({b.row.index(), 0}));
  check_bad(error_of([&] { b.p.build(); }), {"(load)", "input 't' takes 1 operands"});
}

TEST_CASE("an axis that is not split, and one split twice") {
  Base b;
  const Split first = b.p.split(b.col, 0x39);
  (void)b.p.split(b.col, 0x7);
  b.p.output("y", reduce_max(reduce_max(b.x, first.member), first.group));
  CHECK_THROWS_AS(b.p.build(), Error);
}

TEST_CASE("contract takes matrices") {
  Base b;
  const Tensor v = b.p.input("v", DType::f32, {b.row});
  const Tensor w = b.p.input("w", DType::f32, {b.row, b.col});
  check_bad(error_of([&] { b.p.contract(w, v, b.col); }),
            {"contract('w', 'v')", "both inputs must be matrices"});
}

TEST_CASE("i64 constants of any value") {
  Base b;
  constexpr int64_t kLowest = std::numeric_limits<int64_t>::min();
  b.p.output("y", b.p.constant_i64(kLowest + 1) + -3);
  b.p.output("z", reduce_max(b.x, b.col));
  const Program program = b.p.build();
  CHECK(program.outputs[0].dtype == DType::i64);
  CHECK(program.nodes[0].imm == (uint64_t{1} << 63) + 1);
  CHECK(program.nodes[1].imm == ~uint64_t{0} - 2);
  CHECK(parse_program(print(program)) == program);
}

TEST_CASE("an output may say where its rows are stored") {
  Base b;
  const Expr best = reduce_max(b.x, b.col);
  const Expr slot = b.p.optional_input("slot", DType::i32, {b.row}).at({b.row.index(), 7});
  b.p.output("plain", best);
  b.p.scattered_output("by_slot", best, slot + 1, DType::bf16, true);
  b.p.scattered_output("first", best, 0);
  const Program program = b.p.build();
  CHECK(program.outputs[0].position == kNone);
  CHECK(program.nodes[program.outputs[1].position].op == Op::add);
  CHECK(program.outputs[1].dtype == DType::bf16);
  CHECK(program.outputs[1].optional);
  CHECK(program.nodes[program.outputs[2].position].dtype == DType::i32);  // as literals are
  CHECK(parse_program(print(program)) == program);
  {
    Base late;
    const Expr largest = reduce_max(late.x, late.col);
    late.p.scattered_output("y", largest, cast(largest, DType::i32));
    check_bad(error_of([&] { late.p.build(); }), {"output 'y'", "known per row before the sweep"});
  }
}

TEST_CASE("contract may gather its left rows") {
  Base b;
  const Axis k = b.p.axis("k");
  const Tensor left = b.p.input("left", DType::f32, {b.row, k});
  const Tensor right = b.p.input("right", DType::f32, {b.col, k});
  const Tensor index = b.p.optional_input("index", DType::i32, {b.row});
  b.p.output("y", reduce_max(b.p.contract(left, right, k, std::nullopt, index), b.col));
  const Program program = b.p.build();
  CHECK(program.contractions[0].left_index == index.input());
  CHECK(parse_program(print(program)) == program);
  Base other;
  const Tensor foreign = other.p.input("index", DType::i32, {other.row});
  check_bad(error_of([&] { b.p.contract(left, right, k, std::nullopt, foreign); }),
            {"contract() of a Tensor of another builder"});
}

TEST_CASE("a user's monoid: sum and count") {
  Base b;
  const Expr positive = b.x > 0.0f;
  const auto state = reduce("mean", b.col, {select(positive, b.x, 0.0f), cast(positive, DType::u32)},
                            {0.0f, 0}, [](auto l, auto r) {
                              return std::vector<Expr>{l[0] + r[0], l[1] + r[1]};
                            });
  b.p.output("mean", state[0] / cast(state[1], DType::f32));
  b.p.output("count", state[1]);
  const Program program = b.p.build();
  const std::vector<float> x{1, -2, 3, 0, 5, -1, -1, -1, -1, -1, -1, 2};
  std::vector<float> mean(2);
  std::vector<uint32_t> n(2);
  HostRun(program, {2, 6}).in("x", x).out("mean", mean).out("count", n).run();
  CHECK(n == std::vector<uint32_t>{3, 1});
  CHECK(mean == std::vector<float>{3, 2});
}

TEST_CASE("a user's monoid: the two largest, ties to the lowest column") {
  Base b;
  const Expr v = b.col.index();
  // State: first value, its column, second value, its column.
  auto combine = [](std::span<const Expr> l, std::span<const Expr> r) {
    const Expr right_first = (r[0] > l[0]) | ((r[0] == l[0]) & (r[1] < l[1]));
    const Expr loser_value = select(right_first, l[0], r[0]);
    const Expr loser_column = select(right_first, l[1], r[1]);
    const Expr other_value = select(right_first, r[2], l[2]);
    const Expr other_column = select(right_first, r[3], l[3]);
    const Expr loser_second =
        (loser_value > other_value) | ((loser_value == other_value) & (loser_column < other_column));
    return std::vector<Expr>{select(right_first, r[0], l[0]), select(right_first, r[1], l[1]),
                             select(loser_second, loser_value, other_value),
                             select(loser_second, loser_column, other_column)};
  };
  const auto top = reduce("top2", b.col, {b.x, v, -kInf, b.p.constant_u32(~0u)},
                          {-kInf, b.p.constant_u32(~0u), -kInf, b.p.constant_u32(~0u)}, combine);
  b.p.output("first", top[1]);
  b.p.output("second", top[3]);
  const Program program = b.p.build();
  CHECK(parse_program(print(program)) == program);
  for (int64_t columns : {2, 3, 65, 2500}) {
    constexpr int64_t kRows = 7;
    std::vector<float> x(static_cast<size_t>(kRows * columns));
    uint32_t state = 12345;
    for (float& value : x)
      value = static_cast<float>((state = state * 1664525u + 1013904223u) >> 28);  // many ties
    std::vector<uint32_t> first(kRows);
    std::vector<uint32_t> second(kRows);
    HostRun(program, {kRows, columns}).in("x", x).out("first", first).out("second", second).run();
    for (int64_t r = 0; r < kRows; ++r) {
      std::vector<uint32_t> order(static_cast<size_t>(columns));
      for (size_t i = 0; i < order.size(); ++i) order[i] = static_cast<uint32_t>(i);
      std::stable_sort(order.begin(), order.end(), [&](uint32_t i, uint32_t j) {
        return x[static_cast<size_t>(r * columns + i)] > x[static_cast<size_t>(r * columns + j)];
      });
      CHECK(first[static_cast<size_t>(r)] == order[0]);
      CHECK(second[static_cast<size_t>(r)] == order[1]);
    }
  }
}

TEST_CASE("an argmax is known as one, whatever it carries, and nothing else is") {
  for (const bool logprob : {false, true}) {  // carries nothing; the score
    const Program program = lm_head_sample({NoiseScheme::grouped, DType::bf16, DType::bf16, logprob});
    size_t found = 0;
    for (const ReductionInfo& reduction : program.reductions) {
      CHECK((reduction.kind == ReductionKind::argmax) == (reduction.name == "argmax"));
      if (reduction.kind != ReductionKind::argmax) continue;
      ++found;
      CHECK(reduction.state.size() == (logprob ? 3 : 2));
      CHECK(packing_of(reduction) == (logprob ? Packing::none : Packing::argmax));
    }
    CHECK(found == 1);
  }
}

TEST_CASE("functions of the library") {
  Base b;
  const Split split = b.p.split(b.col, 0x39);
  const Pick best = argmax(b.x, b.col.index(), b.col, {b.x * 2.0f});
  b.p.output("max", reduce_max(b.x, b.col));
  b.p.output("min", reduce_min(b.x, b.col));
  b.p.output("sum", reduce_sum(b.x, b.col));
  b.p.output("or", reduce_or(cast(b.x > 0.0f, DType::u32) << (b.col.index() & 31), b.col));
  b.p.output("argmax", best.index);
  b.p.output("carried", best.carry[0]);
  b.p.output("lse", logsumexp(b.x, split));
  b.p.output("third", value_at(b.x, b.p.constant_u32(2), b.col, b.col));
  const Program program = b.p.build();
  const std::vector<float> x{-1,    4,     0.5f,  4,
                             -3,  //
                             -kInf, -kInf, -kInf, -kInf,
                             -kInf,  //
                             1,     2,     kInf,  3,
                             4,  //
                             0,     0,     0,     std::nanf(""),
                             0};
  std::vector<float> top(4), low(4), sum(4), carried(4), lse(4), third(4);
  std::vector<uint32_t> bits(4), arg(4);
  HostRun(program, {4, 5})
      .in("x", x)
      .out("max", top)
      .out("min", low)
      .out("sum", sum)
      .out("or", bits)
      .out("argmax", arg)
      .out("carried", carried)
      .out("lse", lse)
      .out("third", third)
      .run();
  CHECK(top[0] == 4);
  CHECK(low[0] == -3);
  CHECK(sum[0] == 4.5f);
  CHECK(bits[0] == 0b01110);
  CHECK(arg[0] == 1);
  CHECK(carried[0] == 8);
  CHECK(lse[0] ==
        doctest::Approx(std::log(std::exp(-1.0) + 2 * std::exp(4.0) + std::exp(0.5) + std::exp(-3.0))));
  CHECK(third[0] == 0.5f);
  CHECK(top[1] == -kInf);
  CHECK(arg[1] == 0);
  CHECK(lse[1] == -kInf);
  CHECK(arg[2] == 2);
  CHECK(lse[2] == kInf);
  CHECK(std::isnan(top[3]));
  CHECK(std::isnan(low[3]));
  CHECK(std::isnan(lse[3]));
  CHECK(arg[3] == 0);  // NaN never wins
}

}  // namespace
}  // namespace gumtile::test
