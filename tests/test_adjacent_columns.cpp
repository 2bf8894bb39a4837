// Inputs and outputs with a value per column: loaded and stored for all columns of a lane at once, in pairs
// if addresses and strides allow it, and never past the end of what is there.
#include <doctest/doctest.h>
#include <fmt/format.h>

#ifdef __unix__
#include <sys/mman.h>
#include <unistd.h>
#endif

#include <cstring>
#include <limits>
#include <map>
#include <vector>

#include "gumtile/dsl.h"
#include "gumtile/dsl_functions.h"
#include "gumtile/error.h"
#include "tests/harness.h"

namespace gumtile::test {
namespace {

constexpr int64_t kHidden = 64, kRows = 5;

/// A penalised product, stored twice, and the best allowed column: counts per (row, column) under a condition
/// per row, an optional bias per column, and a bit per column in words of 32.
Program make_program() {
  ProgramBuilder p("adjacent_columns");
  const Axis batch = p.axis("batch"), vocab = p.axis("vocab"), hidden = p.axis("hidden");
  const Axis words = p.axis("words");
  const Expr row = batch.index(), column = vocab.index();
  const Expr product = p.contract(p.input("x", DType::bf16, {batch, hidden}),
                                  p.input("w", DType::bf16, {vocab, hidden}), hidden);
  const Expr factor = p.input("factor", DType::f32, {batch}).at({row});
  const Expr count = cast(p.input("counts", DType::i32, {batch, vocab}).at({row, column}), DType::f32);
  const Expr bias = p.optional_input("bias", DType::bf16, {vocab}).at({column, 0.0f});
  const Expr value = branch(factor != 0.0f, product - factor * count, product) + bias;
  const Expr word = p.input("mask", DType::u32, {words}).at({column >> 5});
  const Expr allowed = ((word >> (column & 31)) & 1) == 1;
  const float lowest = -std::numeric_limits<float>::infinity();
  const std::vector<Expr> best = reduce(
      "best", vocab, {select(allowed, value, lowest)}, {p.constant(DType::f32, lowest)},
      [](std::span<const Expr> a, std::span<const Expr> b) { return std::vector<Expr>{max(a[0], b[0])}; });
  p.tile_output("values", value);
  p.tile_output("halves", value, DType::bf16);
  p.output("best", best[0]);
  return p.build();
}

/// Memory of an engine that starts some bytes after what `allocate` gives.
class Memory {
 public:
  Memory(Engine& engine, const void* bytes, size_t size, size_t offset)
      : engine_(engine),
        start_(engine.allocate(size + offset)),
        data_(static_cast<std::byte*>(start_) + offset) {
    engine.copy_to_device(data_, bytes, size);
  }
  ~Memory() { engine_.release(start_); }
  Memory(const Memory&) = delete;
  Memory& operator=(const Memory&) = delete;
  void* data() const { return data_; }

 private:
  Engine& engine_;
  void* start_;
  std::byte* data_;
};

struct Shape {
  int64_t columns, first_column;
  int64_t padding;  ///< elements between rows
  size_t offset;    ///< elements from an aligned address
  bool has_bias;
};

/// Small whole numbers, so that every order of sums gives the same bits.
struct Data {
  explicit Data(const Shape& shape)
      : stride(shape.columns + shape.padding),
        x(make_array(DType::bf16, kRows, kHidden)),
        w(make_array(DType::bf16, shape.columns, kHidden)),
        bias(make_array(DType::bf16, 1, shape.columns)),
        counts(static_cast<size_t>(kRows * stride), 1 << 20),
        mask(static_cast<size_t>((shape.first_column + shape.columns + 31) / 32)) {
    Random random(static_cast<uint64_t>(shape.columns));
    const auto small = [&] { return static_cast<float>(random.below(5)) - 2.0f; };
    for (int64_t i = 0; i < kRows * kHidden; ++i) x.set(i, small());
    for (int64_t i = 0; i < shape.columns * kHidden; ++i) w.set(i, small());
    for (int64_t i = 0; i < shape.columns; ++i) bias.set(i, small());
    for (int64_t r = 0; r < kRows; ++r)
      for (int64_t c = 0; c < shape.columns; ++c)
        counts[static_cast<size_t>(r * stride + c)] = static_cast<int32_t>(random.below(4));
    for (uint32_t& word : mask) word = static_cast<uint32_t>(random.next());
  }

  int64_t stride;
  Array x, w, bias;
  std::vector<int32_t> counts;
  std::vector<uint32_t> mask;
  std::vector<float> factor{0.0f, 2.0f, 0.0f, -1.0f, 3.0f};
};

float expected_value(const Data& d, const Shape& shape, int64_t row, int64_t column) {
  float sum = 0;
  for (int64_t k = 0; k < kHidden; ++k) sum += d.x.get(row * kHidden + k) * d.w.get(column * kHidden + k);
  sum -= d.factor[static_cast<size_t>(row)] *
         static_cast<float>(d.counts[static_cast<size_t>(row * d.stride + column)]);
  return sum + (shape.has_bias ? d.bias.get(column) : 0.0f);
}

/// What is wrong with the results; empty: nothing.
std::string check(Engine& engine, const Kernel& kernel, const Shape& shape) {
  const Data d(shape);
  const auto moved = [&](const void* bytes, size_t size, size_t element) {
    return Memory(engine, bytes, size, shape.offset * element);
  };
  const size_t cells = static_cast<size_t>(kRows * d.stride);
  const std::vector<float> untouched(cells, -7.0f);
  const std::vector<uint16_t> untouched_halves(cells, 0x5a5a);
  const std::vector<float> no_best(kRows);
  const Memory x = Memory(engine, d.x.bytes.data(), d.x.bytes.size(), 0),
               w = Memory(engine, d.w.bytes.data(), d.w.bytes.size(), 0),
               bias = moved(d.bias.bytes.data(), d.bias.bytes.size(), 2),
               counts = moved(d.counts.data(), cells * 4, 4),
               mask = moved(d.mask.data(), d.mask.size() * 4, 4),
               factor = moved(d.factor.data(), d.factor.size() * 4, 4),
               values = moved(untouched.data(), cells * 4, 4),
               halves = moved(untouched_halves.data(), cells * 2, 2),
               best = moved(no_best.data(), kRows * 4, 4);
  std::map<std::string, Binding> named{{"x", {x.data(), kHidden}},
                                       {"w", {w.data(), kHidden}},
                                       {"factor", {factor.data(), 1}},
                                       {"counts", {counts.data(), d.stride}},
                                       {"bias", {shape.has_bias ? bias.data() : nullptr, 1}},
                                       {"mask", {mask.data(), 1}}};
  std::vector<Binding> in;
  for (const LaunchSpec::Argument& input : kernel.artifact().launch.inputs)
    in.push_back(named.at(input.name));
  const std::vector<Binding> out{{values.data(), d.stride}, {halves.data(), d.stride}, {best.data(), 1}};
  const size_t bytes = kernel.workspace_bytes(kRows);
  const Memory workspace(engine, std::vector<std::byte>(bytes).data(), bytes, 0);
  if (kernel.workspace_init(nullptr, workspace.data(), bytes) != Status::ok ||
      kernel.launch(nullptr, kRows, in, out, workspace.data(), bytes) != Status::ok)
    return "the launch failed";
  engine.synchronize();
  std::vector<float> got(cells), got_best(kRows);
  std::vector<uint16_t> got_halves(cells);
  engine.copy_to_host(got.data(), values.data(), cells * 4);
  engine.copy_to_host(got_halves.data(), halves.data(), cells * 2);
  engine.copy_to_host(got_best.data(), best.data(), kRows * 4);
  for (int64_t r = 0; r < kRows; ++r) {
    float expected_best = -std::numeric_limits<float>::infinity();
    for (int64_t c = 0; c < d.stride; ++c) {
      const auto at = static_cast<size_t>(r * d.stride + c);
      const bool exists = c < shape.columns;
      const float expected = exists ? expected_value(d, shape, r, c) : -7.0f;
      const uint16_t half = exists ? float_to_bf16(expected) : 0x5a5a;
      if (got[at] != expected || got_halves[at] != half)
        return fmt::format("row {}, column {}: {} and {:#x}, expected {} and {:#x}", r, c, got[at],
                           got_halves[at], expected, half);
      const int64_t global = shape.first_column + c;
      if (exists && ((d.mask[static_cast<size_t>(global / 32)] >> (global % 32)) & 1) != 0)
        expected_best = std::max(expected_best, expected);
    }
    if (got_best[static_cast<size_t>(r)] != expected_best)
      return fmt::format("row {}: the best is {}, expected {}", r, got_best[static_cast<size_t>(r)],
                         expected_best);
  }
  return "";
}

TEST_CASE("columns are loaded and stored whatever their alignment and the range's ends") {
  const Program program = make_program();
  for (const std::shared_ptr<Engine>& engine : engines())
    for (const auto& [columns, first_column] : std::vector<std::pair<int64_t, int64_t>>{
             {512, 0}, {500, 0}, {467, 0}, {256, 64}, {301, 37}, {300, 128}}) {
      const Problem problem{columns, kHidden, kRows, 16, first_column};
      Random random(static_cast<uint64_t>(columns));
      for (const Schedule& schedule : sample_schedules(program, problem, engine->device().target, random,
                                                       engine->device().target.is_cuda() ? 6 : 2)) {
        const Kernel kernel = engine->load(make_plan(program, problem, schedule, engine->device().target));
        for (const int64_t padding : {0, 1, 4})
          for (const size_t offset : {0, 1})
            for (const bool has_bias : {true, false}) {
              const std::string fault =
                  check(*engine, kernel, {columns, first_column, padding, offset, has_bias});
              CHECK_MESSAGE(fault.empty(), engine->device().id, " ", schedule.str(), ", ", columns,
                            " columns from ", first_column, ", padding ", padding, ", offset ", offset, ": ",
                            fault);
            }
      }
    }
}

#ifdef __unix__
TEST_CASE("nothing is read past the words of a mask") {
  const std::shared_ptr<Engine> engine = cpu_engine();
  if (!engine) return;  // another device is tested
  ProgramBuilder p("masked");
  const Axis batch = p.axis("batch"), vocab = p.axis("vocab"), words = p.axis("words");
  const Expr row = batch.index(), column = vocab.index();
  const Expr logit = p.input("logits", DType::f32, {batch, vocab}).at({row, column});
  const Expr word = p.input("mask", DType::u32, {words}).at({column >> 5});
  p.output("sum", reduce_sum(select(((word >> (column & 31)) & 1) == 1, logit, 0.0f), vocab));
  const Program program = p.build();
  const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  auto* pages = static_cast<std::byte*>(
      mmap(nullptr, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  REQUIRE(pages != MAP_FAILED);
  REQUIRE(mprotect(pages + page, page, PROT_NONE) == 0);
  for (const int64_t columns : {33, 70, 1000}) {
    const size_t size = static_cast<size_t>((columns + 31) / 32) * 4;
    std::byte* mask = pages + page - size;  // ends where nothing may be read
    std::memset(mask, 0xff, size);
    const std::vector<float> logits(static_cast<size_t>(columns), 1.0f);
    float sum = 0;
    const Kernel kernel =
        engine->load(make_plan(program, {columns, 0, 1, 16}, {HostSchedule{}}, engine->device().target));
    const size_t bytes = kernel.workspace_bytes(1);
    const Memory workspace(*engine, std::vector<std::byte>(bytes).data(), bytes, 0);
    std::vector<Binding> in;
    for (const LaunchSpec::Argument& input : kernel.artifact().launch.inputs)
      in.push_back(input.name == "mask" ? Binding{mask, 1}
                                        : Binding{const_cast<float*>(logits.data()), columns});
    REQUIRE(kernel.workspace_init(nullptr, workspace.data(), bytes) == Status::ok);
    REQUIRE(kernel.launch(nullptr, 1, in, std::vector<Binding>{{&sum, 1}}, workspace.data(), bytes) ==
            Status::ok);
    CHECK(sum == static_cast<float>(columns));
  }
  munmap(pages, 2 * page);
}
#endif

}  // namespace
}  // namespace gumtile::test
