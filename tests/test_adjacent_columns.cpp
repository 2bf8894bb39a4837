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
#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "gumtile/dsl.h"
#include "gumtile/dsl_functions.h"
#include "gumtile/error.h"
#include "tests/harness.h"

namespace gumtile::test {
namespace {

constexpr int64_t kHidden = 64, kRows = 5;
constexpr int64_t kInactive = 4;  // the row that the guard rejects

/// A penalised product in formats of 1 to 8 bytes, and the best allowed column. It reads counts per (row,
/// column) and an optional matrix under a condition per row, the latter outside of it, too; an optional bias
/// and a large number per column; a table over pairs of columns; and a bit per column in words of 32.
Program make_program(bool has_groups) {
  ProgramBuilder p("adjacent_columns");
  const Axis batch = p.axis("batch"), vocab = p.axis("vocab"), hidden = p.axis("hidden");
  const Axis words = p.axis("words");
  const Expr row = batch.index(), column = vocab.index();
  const Expr product = p.contract(p.input("x", DType::bf16, {batch, hidden}),
                                  p.input("w", DType::bf16, {vocab, hidden}), hidden);
  const Expr factor = p.input("factor", DType::f32, {batch}).at({row});
  const Expr previous = p.input("previous", DType::i32, {batch}).at({row});
  const Expr count = cast(p.input("counts", DType::i32, {batch, vocab}).at({row, column}), DType::f32);
  const Expr extra = p.optional_input("extra", DType::f16, {batch, vocab}).at({row, column, 1.0f});
  const Expr bias = p.optional_input("bias", DType::bf16, {vocab}).at({column, 0.0f});
  const Expr pair = p.input("table", DType::f32, {vocab, vocab}).at({previous, column});
  const Expr large = p.input("large", DType::i64, {vocab}).at({column});
  Expr value = branch(factor != 0.0f, product - factor * count + extra, product) + bias + pair + extra;
  if (has_groups) {  // a condition per group
    const Split split = p.split(vocab, 0x39);
    value = branch((split.group.index() & 1) == 1, value + 1.0f, value);
  }
  const Expr word = p.input("mask", DType::u32, {words}).at({column >> 5});
  const Expr allowed = ((word >> (column & 31)) & 1) == 1;
  const float lowest = -std::numeric_limits<float>::infinity();
  const std::vector<Expr> best = reduce(
      "best", vocab, {select(allowed, value, lowest)}, {p.constant(DType::f32, lowest)},
      [](std::span<const Expr> a, std::span<const Expr> b) { return std::vector<Expr>{max(a[0], b[0])}; });
  p.guard(factor != 3.0f);
  p.tile_output("values", value);
  p.tile_output("halves", value, DType::bf16);
  p.tile_output("signs", value > 0.0f);
  p.tile_output("sums", large + cast(value, DType::i64));
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
  bool has_optional;
};

/// Small whole numbers, so that every order of sums gives the same bits. Matrices over the columns have
/// padded rows.
struct Data {
  explicit Data(const Shape& shape, bool has_groups)
      : shape_(shape), has_groups_(has_groups), random_(static_cast<uint64_t>(shape.columns)) {
    const int64_t columns = shape.columns, stride = columns + shape.padding;
    floats("x", DType::bf16, kRows, kHidden, kHidden);
    floats("w", DType::bf16, columns, kHidden, kHidden);
    floats("extra", DType::f16, kRows, columns, stride);
    floats("bias", DType::bf16, 1, columns, columns);
    floats("table", DType::f32, columns, columns, stride);
    Array& counts = arrays["counts"] = make_array(DType::i32, kRows, columns, stride);
    for (int64_t i = 0; i < kRows * stride; ++i)
      counts.as<int32_t>()[i] = static_cast<int32_t>(random_.below(4));
    std::vector<int64_t> large;
    for (int64_t c = 0; c < columns; ++c) large.push_back(static_cast<int64_t>(random_.next() >> 8));
    arrays["large"] = make_vector(DType::i64, large);
    std::vector<uint32_t> mask(static_cast<size_t>((shape.first_column + columns + 31) / 32));
    for (uint32_t& word : mask) word = static_cast<uint32_t>(random_.next());
    arrays["mask"] = make_vector(DType::u32, mask);
    arrays["factor"] = make_vector(DType::f32, std::vector<float>{0, 2, 0, -1, 3});
    std::vector<int32_t> previous;
    for (int64_t r = 0; r < kRows; ++r)
      previous.push_back(static_cast<int32_t>(
          shape.first_column + static_cast<int64_t>(random_.below(static_cast<uint64_t>(columns)))));
    arrays["previous"] = make_vector(DType::i32, previous);
  }

  float expected(int64_t row, int64_t column) const {
    const auto get = [&](const char* name, int64_t r, int64_t c) {
      const Array& a = arrays.at(name);
      return a.get(r * a.row_stride + c);
    };
    float sum = 0;
    for (int64_t k = 0; k < kHidden; ++k) sum += get("x", row, k) * get("w", column, k);
    const float extra = shape_.has_optional ? get("extra", row, column) : 1.0f;
    const float factor = get("factor", 0, row);
    const Array& counts = arrays.at("counts");
    const auto count = static_cast<float>(counts.as<int32_t>()[row * counts.row_stride + column]);
    if (factor != 0) sum += extra - factor * count;
    if (shape_.has_optional) sum += get("bias", 0, column);
    sum += get("table", arrays.at("previous").as<int32_t>()[row] - shape_.first_column, column) + extra;
    const int64_t global = shape_.first_column + column;  // its group: what the mask 0x39 leaves of the bits
    return sum + (has_groups_ && ((global >> 1) & 1) == 1 ? 1.0f : 0.0f);
  }
  bool allows(int64_t column) const {
    const int64_t global = shape_.first_column + column;
    return ((arrays.at("mask").as<uint32_t>()[global / 32] >> (global % 32)) & 1) != 0;
  }

  std::map<std::string, Array> arrays;

 private:
  void floats(const char* name, DType dtype, int64_t rows, int64_t columns, int64_t stride) {
    Array& a = arrays[name] = make_array(dtype, rows, columns, stride);
    for (int64_t i = 0; i < rows * stride; ++i) a.set(i, static_cast<float>(random_.below(5)) - 2.0f);
  }

  Shape shape_;
  bool has_groups_;
  Random random_;
};

/// What is wrong with the results; empty: nothing.
std::string check(Engine& engine, const Kernel& kernel, const Shape& shape, bool has_groups) {
  const Data d(shape, has_groups);
  std::vector<std::unique_ptr<Memory>> memory;
  const auto bound = [&](const Array& a) -> Binding {
    memory.push_back(
        std::make_unique<Memory>(engine, a.bytes.data(), a.bytes.size(), shape.offset * size_bytes(a.dtype)));
    return {memory.back()->data(), a.row_stride};
  };
  std::vector<Binding> in, out;
  for (const LaunchSpec::Argument& input : kernel.artifact().launch.inputs) {
    // The product's operands keep the alignment that the plan was made for.
    const Array& a = d.arrays.at(input.name);
    if (input.name == "x" || input.name == "w") {
      memory.push_back(std::make_unique<Memory>(engine, a.bytes.data(), a.bytes.size(), 0));
      in.push_back({memory.back()->data(), a.row_stride});
    } else {
      in.push_back(input.optional && !shape.has_optional ? Binding{nullptr, a.row_stride} : bound(a));
    }
  }
  const int64_t stride = shape.columns + shape.padding;
  std::map<std::string, Array> results;
  for (const LaunchSpec::Argument& output : kernel.artifact().launch.outputs) {
    Array a = output.axes == 2 ? make_array(output.dtype, kRows, shape.columns, stride)
                               : make_array(output.dtype, 1, kRows);
    std::fill(a.bytes.begin(), a.bytes.end(), std::byte{0x5a});
    out.push_back(bound(a));
    results[output.name] = std::move(a);
  }
  const size_t bytes = kernel.workspace_bytes(kRows);
  const Memory workspace(engine, std::vector<std::byte>(bytes).data(), bytes, 0);
  if (kernel.workspace_init(nullptr, workspace.data(), bytes) != Status::ok ||
      kernel.launch(nullptr, kRows, in, out, workspace.data(), bytes) != Status::ok)
    return "the launch failed";
  engine.synchronize();
  for (size_t i = 0; i < out.size(); ++i) {
    Array& a = results.at(kernel.artifact().launch.outputs[i].name);
    engine.copy_to_host(a.bytes.data(), out[i].data, a.bytes.size());
  }
  for (int64_t r = 0; r < kRows; ++r) {
    float expected_best = -std::numeric_limits<float>::infinity();
    for (int64_t c = 0; c < stride; ++c) {
      const int64_t at = r * stride + c;
      const bool is_written = c < shape.columns && r != kInactive;
      const float expected = is_written ? d.expected(r, c) : 0.0f;
      const auto whole = static_cast<int64_t>(expected);
      const auto wrong = [&](const char* name, const auto& value) {
        const auto found = results.at(name).as<std::decay_t<decltype(value)>>()[at];
        std::decay_t<decltype(value)> wanted = value;
        if (!is_written) std::memset(&wanted, 0x5a, sizeof(wanted));
        return std::memcmp(&found, &wanted, sizeof(wanted)) == 0
                   ? std::string()
                   : fmt::format("row {}, column {}: {} is {}, expected {}", r, c, name, found, wanted);
      };
      for (const std::string& fault :
           {wrong("values", expected), wrong("halves", float_to_bf16(expected)),
            wrong("signs", static_cast<uint8_t>(expected > 0)),
            wrong("sums", is_written ? d.arrays.at("large").as<int64_t>()[c] + whole : 0)})
        if (!fault.empty()) return fault;
      if (is_written && d.allows(c)) expected_best = std::max(expected_best, expected);
    }
    if (r != kInactive && results.at("best").as<float>()[r] != expected_best)
      return fmt::format("row {}: the best is {}, expected {}", r, results.at("best").as<float>()[r],
                         expected_best);
  }
  return "";
}

TEST_CASE("columns are loaded and stored whatever their alignment and the range's ends") {
  for (const bool has_groups : {false, true}) {
    const Program program = make_program(has_groups);
    for (const std::shared_ptr<Engine>& engine : engines())
      for (const auto& [columns, first_column] : std::vector<std::pair<int64_t, int64_t>>{
               {512, 0}, {467, 0}, {256, 64}, {301, 37}, {300, 38}, {300, 128}}) {
        const Problem problem{columns, kHidden, kRows, 16, first_column};
        Random random(static_cast<uint64_t>(columns));
        const bool is_gpu = engine->device().target.is_cuda();
        for (const Schedule& schedule :
             sample_schedules(program, problem, engine->device().target, random, is_gpu ? 3 : 2)) {
          const Kernel kernel = engine->load(make_plan(program, problem, schedule, engine->device().target));
          for (const int64_t padding : {0, 1})
            for (const size_t offset : {0, 1})
              for (const bool has_optional : {true, false}) {
                const std::string fault = check(
                    *engine, kernel, {columns, first_column, padding, offset, has_optional}, has_groups);
                CHECK_MESSAGE(fault.empty(), engine->device().id, " ", schedule.str(), ", ", columns,
                              " columns from ", first_column, ", padding ", padding, ", offset ", offset,
                              has_groups ? ", groups: " : ": ", fault);
              }
        }
      }
  }
}

TEST_CASE("rows that a constant guard rejects stay as they are") {
  for (const bool counts : {false, true}) {
    ProgramBuilder p("guarded");
    const Axis batch = p.axis("batch"), vocab = p.axis("vocab");
    p.rows(batch);
    p.columns(vocab);
    p.guard(p.constant(DType::pred, counts ? 1 : 0));
    p.tile_output("y", p.input("x", DType::f32, {batch, vocab}).at({batch.index(), vocab.index()}) + 1.0f);
    Case c{p.build(), {3, 100, 0}, {make_array(DType::f32, 3, 100)}};
    for (const std::shared_ptr<Engine>& engine : engines())
      for (const float found : {run_engine(c, *engine)[0].get(0), run_interpreter(c)[0].get(0)})
        CHECK((found == 1.0f) == counts);
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
