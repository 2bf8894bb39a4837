#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <map>

#include "gumtile/dsl.h"
#include "gumtile/dsl_functions.h"
#include "gumtile/error.h"
#include "gumtile/jit.h"
#include "gumtile/lm_head.h"
#include "tests/sampling_check.h"

namespace gumtile::test {
namespace {

constexpr NoiseScheme kSchemes[] = {NoiseScheme::per_token, NoiseScheme::grouped};

/// Fails unless the outputs are the interpreter's, as docs/semantics.md defines "the same tokens".
void check(const SamplingReference& reference, const Outputs& outputs, const std::string& what) {
  const TokenComparison result = reference.compare(outputs);
  INFO(what, ": ", result.equal, " equal, ", result.near_ties, " near ties; ", result.first_wrong);
  CHECK(result.wrong == 0);
  CHECK(result.near_ties * 100 <= std::max<int64_t>(result.rows, 100));
  CHECK(result.largest_logprob_error <= 1e-4);
}

void check_everywhere(const Case& c, const SamplingOptions& options, const std::string& what) {
  const SamplingReference reference(c, options);
  for (const auto& engine : engines())
    check(reference, run_engine(c, *engine), engine->device().id + " " + what);
}

std::vector<int64_t> tokens(const Case& c, const Outputs& outputs) {
  const Array& a = output(c.program, outputs, "token");
  std::vector<int64_t> all;
  for (int64_t i = 0; i < a.columns; ++i) all.push_back(token_at(a, i));
  return all;
}

TEST_CASE("the LM head gives the interpreter's tokens") {
  struct Shape {
    int64_t vocab, hidden, rows;
  };
  for (const Shape& s :
       {Shape{1, 8, 1}, {7, 8, 3}, {127, 64, 17}, {129, 72, 3}, {1000, 40, 9}, {32003, 2880, 5}})
    for (NoiseScheme noise : kSchemes) {
      const SamplingOptions options{noise, DType::bf16, DType::bf16, true};
      const Case c =
          make_lm_head_case(options, s.vocab, s.hidden, s.rows, 7 + static_cast<uint64_t>(s.vocab));
      check_everywhere(c, options, fmt::format("V={} K={} B={} {}", s.vocab, s.hidden, s.rows, name(noise)));
    }
}

TEST_CASE("the LM head gives the interpreter's tokens at a full vocabulary") {
  for (NoiseScheme noise : kSchemes) {
    const SamplingOptions options{noise, DType::bf16, DType::bf16, true};
    check_everywhere(make_lm_head_case(options, 151936, 1024, 77, 5), options,
                     fmt::format("V=151936 {}", name(noise)));
  }
}

TEST_CASE("every pair of element types and every alignment works") {
  for (DType weights : {DType::bf16, DType::f16, DType::f32})
    for (DType hidden : {DType::bf16, DType::f16, DType::f32}) {
      const SamplingOptions options{NoiseScheme::grouped, hidden, weights, true};
      check_everywhere(make_lm_head_case(options, 300, 72, 5, 11), options,
                       fmt::format("weights {} hidden {}", name(weights), name(hidden)));
    }
  for (DType weights : {DType::bf16, DType::f16})
    for (int64_t stride : {73, 74, 76, 80}) {
      const SamplingOptions options{NoiseScheme::grouped, weights, weights, true};
      check_everywhere(make_lm_head_case(options, 300, 72, 5, 12, stride, 75), options,
                       fmt::format("{} weights with row stride {}", name(weights), stride));
      check_everywhere(make_lm_head_case(options, 200, 9, 2, 13, stride, 11), options,
                       fmt::format("K=9 {} weights with row stride {}", name(weights), stride));
    }
}

TEST_CASE("without log-probabilities hopeless groups are skipped and tokens stay the same") {
  for (NoiseScheme noise : kSchemes) {
    const SamplingOptions with{noise, DType::bf16, DType::bf16, true};
    const SamplingOptions without{noise, DType::bf16, DType::bf16, false};
    const Case a = make_lm_head_case(with, 5000, 64, 33, 21);
    const Case b = make_lm_head_case(without, 5000, 64, 33, 21);
    for (const auto& engine : engines())
      CHECK(tokens(a, run_engine(a, *engine)) == tokens(b, run_engine(b, *engine)));
  }
}

TEST_CASE("schedules of a family give identical tokens") {
  const SamplingOptions options{NoiseScheme::grouped, DType::bf16, DType::bf16, true};
  Random random(3);
  for (const auto& engine : engines())
    for (int64_t rows : {1, 17, 70}) {
      const Case c = make_lm_head_case(options, 1500, 136, rows, 31);
      const SamplingReference reference(c, options);
      std::map<std::string, std::vector<int64_t>> seen;
      const Problem problem{1500, 136, rows, 16};
      const std::vector<Schedule> schedules =
          sample_schedules(c.program, problem, engine->device().target, random, 12);
      const std::vector<Kernel> kept = load_all(c, *engine, schedules);
      for (const Schedule& schedule : schedules) {
        const uint64_t shared = engine->stats().shared;
        const Outputs outputs = run_engine(c, *engine, schedule);
        CHECK(engine->stats().shared == shared + 1);
        check(reference, outputs, schedule.str());
        const auto [it, first] = seen.emplace(schedule.family_name(), tokens(c, outputs));
        INFO(schedule.str());
        CHECK(it->second == tokens(c, outputs));
      }
    }
}

TEST_CASE("a range of the vocabulary is sampled by its global token ids") {
  // The interpreter takes whole vocabularies: outside of the range the first weight makes every logit very
  // small.
  const int64_t vocab = 1000;
  const int64_t hidden = 96;
  for (NoiseScheme noise : kSchemes)
    for (bool logprob : {false, true}) {
      const SamplingOptions options{noise, DType::bf16, DType::bf16, logprob};
      const Case whole = make_lm_head_case(options, vocab, hidden, 19, 51);
      for (const auto& [first, count] : {std::pair<int64_t, int64_t>{0, 1000},
                                         {320, 256},
                                         {333, 500},
                                         {70, 20},
                                         {999, 1},
                                         {1, 999},
                                         {128, 872}}) {
        Case sunk = whole;
        for (int64_t row = 0; row < 19; ++row) sunk.input("hidden_states").set(row * hidden, 1.0f);
        for (int64_t v = 0; v < vocab; ++v)
          sunk.input("weights").set(v * hidden, v < first || v >= first + count ? -3e37f : 0.0f);
        Case range = make_case(whole.program, {19, count, hidden});
        for (size_t i = 0; i < range.inputs.size(); ++i) range.inputs[i] = sunk.inputs[i];
        range.first_column = first;
        Array& weights = range.input("weights");
        const Array all = weights;
        weights = make_array(DType::bf16, count, hidden);
        std::memcpy(weights.bytes.data(), all.bytes.data() + first * hidden * 2, weights.bytes.size());
        const SamplingReference reference(sunk, options);
        for (const auto& engine : engines())
          check(reference, run_engine(range, *engine),
                fmt::format("{} {} logprob={} from {} on, {}", engine->device().id, name(noise), logprob,
                            first, count));
      }
    }
}

TEST_CASE("a request's token does not depend on its slot, row or neighbours") {
  const SamplingOptions options{NoiseScheme::grouped, DType::bf16, DType::bf16, true};
  const int64_t rows = 40;
  const Case all = make_lm_head_case(options, 2000, 96, rows, 41);
  for (const auto& engine : engines()) {
    const std::vector<int64_t> expected = tokens(all, run_engine(all, *engine));
    Random random(42);
    for (int64_t count : {1, 2, 5, 39}) {
      // `count` of the forty requests, in other rows; their parameters stay in their slots.
      Case some = make_case(all.program, {count, 2000, 96});
      for (size_t i = 0; i < all.inputs.size(); ++i) some.inputs[i] = all.inputs[i];
      some.input("hidden_states") = make_array(DType::bf16, count, 96);
      std::vector<int32_t> slots;
      std::vector<uint64_t> offsets;
      const Array& hidden = const_cast<Case&>(all).input("hidden_states");
      for (int64_t row = 0; row < count; ++row) {
        const auto slot = static_cast<int64_t>(random.below(static_cast<uint64_t>(rows)));
        slots.push_back(static_cast<int32_t>(slot));
        offsets.push_back(const_cast<Case&>(all).input("offset").as<uint64_t>()[slot]);
        std::memcpy(some.input("hidden_states").as<uint16_t>() + row * 96, hidden.as<uint16_t>() + slot * 96,
                    192);
      }
      some.input("row_slot") = make_vector(DType::i32, slots);
      some.input("offset") = make_vector(DType::u64, offsets);
      const std::vector<int64_t> found = tokens(some, run_engine(some, *engine));
      for (int64_t row = 0; row < count; ++row) {
        INFO(engine->device().id, " batch of ", count, " row ", row);
        CHECK(found[static_cast<size_t>(row)] ==
              expected[static_cast<size_t>(slots[static_cast<size_t>(row)])]);
      }
    }
  }
}

TEST_CASE("bad numbers fail their own row and no other") {
  for (NoiseScheme noise : kSchemes) {
    const SamplingOptions options{noise, DType::f32, DType::f32, true};
    Case c = make_lm_head_case(options, 500, 16, 9, 51);
    const Case good = c;
    const float inf = std::numeric_limits<float>::infinity();
    Array& hidden = c.input("hidden_states");
    hidden.set(1 * 16 + 3, std::numeric_limits<float>::quiet_NaN());
    for (int64_t k = 0; k < 16; ++k) hidden.set(3 * 16 + k, k == 0 ? inf : 0.0f);
    Array& weights = c.input("weights");
    for (int64_t v = 0; v < 500; ++v)
      weights.set(v * 16, v == 77 || v == 90 ? 1.0f : -1.0f);  // row 3: +inf at 77 and 90
    for (int64_t k = 0; k < 16; ++k) hidden.set(5 * 16 + k, 0.0f);
    float* temperature = c.input("temperature").as<float>();
    temperature[6] = -1.0f;
    temperature[7] = inf;
    temperature[8] = std::numeric_limits<float>::quiet_NaN();
    const SamplingReference reference(c, options);
    const auto* expected = output(c.program, reference.outputs(), "status").as<uint32_t>();
    CHECK(expected[0] == 0);
    CHECK(expected[1] == status_nan_logit);
    CHECK(expected[3] == status_inf_logit);
    CHECK(output(c.program, reference.outputs(), "token").as<int32_t>()[3] == 77);
    for (int row : {6, 7, 8}) CHECK(expected[row] == status_bad_temperature);
    c.input("invalid_token") = make_vector(DType::i32, std::vector<int32_t>{2});
    for (const auto& engine : engines()) {
      const Outputs outputs = run_engine(c, *engine);
      const auto* status = output(c.program, outputs, "status").as<uint32_t>();
      const auto* token = output(c.program, outputs, "token").as<int32_t>();
      for (int row = 0; row < 9; ++row) {
        INFO(engine->device().id, " ", name(noise), " row ", row);
        CHECK(status[row] == expected[row]);
        if (expected[row] & ~uint32_t{status_inf_logit}) CHECK(token[row] == 2);
      }
      CHECK(token[3] == 77);
      CHECK(output(c.program, outputs, "any_status").as<uint32_t>()[0] ==
            (status_nan_logit | status_inf_logit | status_bad_temperature));
    }
    // All logits -inf: no candidate.
    Case none = good;
    for (int64_t v = 0; v < 500; ++v)
      for (int64_t k = 0; k < 16; ++k) none.input("weights").set(v * 16 + k, k == 0 ? -1.0f : 0.0f);
    for (int64_t k = 0; k < 16; ++k) none.input("hidden_states").set(2 * 16 + k, k == 0 ? inf : 1.0f);
    for (const auto& engine : engines()) {
      const Outputs outputs = run_engine(none, *engine);
      // inf * 0 is NaN in this product, so the row must report that and not give a token.
      CHECK(output(none.program, outputs, "token").as<int32_t>()[2] == -1);
    }
  }
}

TEST_CASE("sampling from given logits, with all of a row masked") {
  for (NoiseScheme noise : kSchemes) {
    const SamplingOptions options{noise, DType::f32, DType::f32, true};
    Case c = make_case(sample_logits(options), {6, 777, 0});
    Random random(61);
    fill_normal(c.input("logits"), random, 3.0f);
    for (int64_t v = 0; v < 777; ++v)
      c.input("logits").set(2 * 777 + v, -std::numeric_limits<float>::infinity());
    c.input("offset") = make_vector(DType::u64, std::vector<uint64_t>{1, 2, 3, 4, 5, 6});
    const SamplingReference reference(c, options);
    CHECK(output(c.program, reference.outputs(), "status").as<uint32_t>()[2] == status_no_candidate);
    for (const auto& engine : engines())
      check(reference, run_engine(c, *engine), fmt::format("{} {}", engine->device().id, name(noise)));
  }
}

TEST_CASE("inactive rows and rows past num_rows are left alone") {
  const SamplingOptions options{NoiseScheme::grouped, DType::bf16, DType::bf16, true};
  Case c = make_lm_head_case(options, 300, 32, 6, 71);
  c.input("row_slot") = make_vector(DType::i32, std::vector<int32_t>{0, -1, 2, 3, 4, 5});
  c.input("num_rows") = make_vector(DType::i32, std::vector<int32_t>{4});
  c.input("hidden_states").set(32, std::numeric_limits<float>::quiet_NaN());  // of the inactive row 1
  const SamplingReference reference(c, options);
  for (const auto& engine : engines()) {
    const Outputs outputs = run_engine(c, *engine);
    for (const char* which : {"token", "status"}) {
      const auto* expected = output(c.program, reference.outputs(), which).as<uint32_t>();
      for (int row : {0, 2, 3}) CHECK(output(c.program, outputs, which).as<uint32_t>()[row] == expected[row]);
      for (int row : {1, 4, 5}) CHECK(output(c.program, outputs, which).as<uint32_t>()[row] == 0x5a5a5a5a);
    }
    CHECK(output(c.program, outputs, "any_status").as<uint32_t>()[0] == 0);
  }
}

/// The value of a token that was not stored: the poison of outputs.
int64_t untouched(DType dtype) { return dtype == DType::i64 ? 0x5a5a5a5a5a5a5a5a : 0x5a5a5a5a; }

TEST_CASE("tokens of 64 bits are those of 32") {
  for (NoiseScheme noise : kSchemes)
    for (bool logprob : {false, true}) {
      const SamplingOptions options{noise, DType::bf16, DType::bf16, logprob, DType::i64};
      Case wide = make_lm_head_case(options, 3000, 64, 21, 101);
      wide.input("hidden_states").set(2 * 64, std::numeric_limits<float>::quiet_NaN());
      Case narrow = wide;
      narrow.program = lm_head_sample({noise, DType::bf16, DType::bf16, logprob, DType::i32});
      const SamplingReference reference(wide, options);
      for (const auto& engine : engines()) {
        const Outputs outputs = run_engine(wide, *engine);
        check(reference, outputs, engine->device().id);
        CHECK(tokens(wide, outputs) == tokens(narrow, run_engine(narrow, *engine)));
        CHECK(tokens(wide, outputs)[2] == -1);  // the failed row's
      }
    }
}

TEST_CASE("a token dtype that is no 32- or 64-bit signed integer is refused") {
  for (DType bad : {DType::u32, DType::u64, DType::f32, DType::pred})
    CHECK_THROWS_AS(lm_head_sample({NoiseScheme::grouped, DType::bf16, DType::bf16, true, bad}), Error);
}

TEST_CASE("tokens are stored at their positions, by slot for instance") {
  const int64_t rows = 23;
  for (bool given_logits : {false, true})
    for (DType dtype : {DType::i32, DType::i64})
      for (bool logprob : {false, true}) {
        const SamplingOptions options{NoiseScheme::grouped, DType::f32, DType::f32, logprob, dtype};
        Case plain;
        if (given_logits) {
          plain = make_case(sample_logits(options), {rows, 300, 0});
          Random random(5);
          fill_normal(plain.input("logits"), random, 3.0f);
        } else {
          plain = make_lm_head_case(options, 300, 24, rows, 103);
          plain.input("num_rows") = make_vector(DType::i32, std::vector<int32_t>{20});
        }
        std::vector<int32_t> slots;
        std::vector<int32_t> positions;
        for (int32_t r = 0; r < rows; ++r) {
          slots.push_back(r % 7 == 3 ? -1 : r);
          // A permutation of 31 places, some of which are holes; some rows have none.
          positions.push_back(r % 5 == 4 ? -1 - 1000 * r : (r * 12 + 5) % 31);
        }
        plain.input("row_slot") = make_vector(DType::i32, slots);
        Case scattered = plain;
        scattered.positions = 31;
        scattered.input("token_position") = make_vector(DType::i32, positions);
        auto expected_of = [&](const Outputs& outputs) {
          std::vector<int64_t> expected(31, untouched(dtype));
          const std::vector<int64_t> by_row = tokens(plain, outputs);
          const int32_t count = given_logits ? 23 : 20;
          for (int32_t r = 0; r < count; ++r)
            if (slots[static_cast<size_t>(r)] >= 0 && positions[static_cast<size_t>(r)] >= 0)
              expected[static_cast<size_t>(positions[static_cast<size_t>(r)])] =
                  by_row[static_cast<size_t>(r)];
          return expected;
        };
        CHECK(tokens(scattered, run_interpreter(scattered)) == expected_of(run_interpreter(plain)));
        for (const auto& engine : engines()) {
          Random random(104);
          const Problem problem{300, scattered.extents.contracted, rows, 16};
          for (const Schedule& schedule :
               sample_schedules(plain.program, problem, engine->device().target, random, 4)) {
            const Outputs by_row = run_engine(plain, *engine, schedule);
            const Outputs by_position = run_engine(scattered, *engine, schedule);
            INFO(engine->device().id, " ", schedule.str());
            CHECK(tokens(scattered, by_position) == expected_of(by_row));
            for (size_t o = 0; o < by_row.size(); ++o)  // outputs without a position are unchanged
              if (plain.program.outputs[o].name != "token") CHECK(by_row[o].bytes == by_position[o].bytes);
          }
        }
      }
}

TEST_CASE("rows take the hidden states that their index names") {
  const int64_t hidden = 72;
  const int64_t rows = 19;
  const int64_t states = 40;
  struct Types {
    DType hidden, weights;
    int64_t hidden_stride;
  };
  for (const Types& t : {Types{DType::bf16, DType::bf16, 0},
                         {DType::bf16, DType::bf16, 75},
                         {DType::f32, DType::bf16, 0},
                         {DType::f32, DType::f32, 0},
                         {DType::f16, DType::f32, 73}}) {
    const SamplingOptions options{NoiseScheme::grouped, t.hidden, t.weights, true};
    Case plain = make_lm_head_case(options, 400, hidden, rows, 111);
    Case gathered = plain;
    Random random(112);
    Array& all = gathered.input("hidden_states");
    all = make_array(t.hidden, states, hidden, t.hidden_stride);
    fill_normal(all, random, 1.0f);
    std::vector<int32_t> index;
    std::vector<int32_t> slots;
    for (int32_t r = 0; r < rows; ++r) {
      index.push_back(r % 6 == 5 ? -1 - r : r < 3 ? 39 : (r * 13 + 7) % 40);  // the last one three times
      slots.push_back(r);
    }
    for (int64_t r = 0; r < rows; ++r)
      for (int64_t k = 0; k < hidden; ++k) {
        const int32_t from = index[static_cast<size_t>(r)];
        plain.input("hidden_states")
            .set(r * hidden + k, from < 0 ? 0.0f : all.get(from * all.row_stride + k));
      }
    // Inactive rows' indices are not followed.
    slots[4] = slots[7] = -1;
    index[4] = index[17] = index[18] = 1 << 30;
    for (Case* c : {&plain, &gathered}) {
      c->input("row_slot") = make_vector(DType::i32, slots);
      c->input("num_rows") = make_vector(DType::i32, std::vector<int32_t>{17});
    }
    gathered.input("hidden_index") = make_vector(DType::i32, index);
    const Outputs expected = run_interpreter(plain);
    const Outputs found = run_interpreter(gathered);
    for (size_t o = 0; o < found.size(); ++o) CHECK(found[o].bytes == expected[o].bytes);
    for (const auto& engine : engines()) {
      const Problem problem{400, hidden, rows, 16};
      for (const Schedule& schedule :
           sample_schedules(plain.program, problem, engine->device().target, random, 8)) {
        const Outputs direct = run_engine(plain, *engine, schedule);
        const Outputs staged = run_engine(gathered, *engine, schedule);
        INFO(engine->device().id, " ", schedule.str(), " ", name(t.hidden), " with ", name(t.weights));
        for (size_t o = 0; o < direct.size(); ++o) CHECK(staged[o].bytes == direct[o].bytes);
      }
    }
  }
}

TEST_CASE("the other Programs agree with the interpreter") {
  for (DType dtype : {DType::bf16, DType::f16, DType::f32}) {
    for (const Program& program :
         {greedy_argmax(dtype, dtype), gemm(dtype, dtype, DType::f32), gemm(dtype, dtype, dtype),
          row_statistics(dtype, dtype), cross_entropy(dtype, dtype)}) {
      Case c = make_case(program, {19, 333, 88});
      Random random(81);
      fill_normal(c.input("weights"), random, 0.3f);
      fill_normal(c.input("hidden_states"), random, 1.0f);
      if (program.name == "cross_entropy")
        for (int row = 0; row < 19; ++row) c.input("target").as<int32_t>()[row] = row * 17 % 333;
      const Outputs expected = run_interpreter(c);
      for (const auto& engine : engines()) {
        const Outputs outputs = run_engine(c, *engine);
        for (size_t o = 0; o < outputs.size(); ++o)
          for (int64_t i = 0;
               i < static_cast<int64_t>(outputs[o].bytes.size() / size_bytes(outputs[o].dtype)); ++i) {
            INFO(engine->device().id, " ", program.name, " ", program.outputs[o].name, " ", i);
            if (outputs[o].dtype == DType::i32) {
              CHECK(outputs[o].as<int32_t>()[i] == expected[o].as<int32_t>()[i]);
              continue;
            }
            const float tolerance = outputs[o].dtype == DType::f32   ? 1e-4f
                                    : outputs[o].dtype == DType::f16 ? 1e-2f
                                                                     : 6e-2f;
            CHECK(std::fabs(outputs[o].get(i) - expected[o].get(i)) <= tolerance);
          }
      }
    }
  }
}

TEST_CASE("a guard that is the same for all rows lets no row in that does not exist") {
  for (const bool constant : {false, true}) {
    ProgramBuilder p("uniform_guard");
    const Axis batch = p.axis("batch");
    const Axis vocab = p.axis("vocab");
    const Axis hidden = p.axis("hidden");
    const Tensor h = p.input("hidden_states", DType::bf16, {batch, hidden});
    const Tensor w = p.input("weights", DType::bf16, {vocab, hidden});
    const Expr flag = p.input("flag", DType::i32, {}).at({});
    p.guard(constant ? p.constant(DType::i32, 1) != 0 : flag != 0);
    const Expr logits = p.contract(h, w, hidden);
    p.output("best", argmax(logits, vocab.index(), vocab).index);
    p.tile_output("logits", logits);
    Case c = make_case(p.build(), {5, 200, 64});
    Random random(92);
    for (const char* name : {"hidden_states", "weights"}) {  // exact in any order of adding
      Array& a = c.input(name);
      for (int64_t i = 0; i < a.rows * a.columns; ++i) a.set(i, static_cast<float>(random.below(7)) - 3.0f);
    }
    for (int32_t value : {0, 1}) {
      *c.input("flag").as<int32_t>() = value;
      const Outputs expected = run_interpreter(c);
      for (const auto& engine : engines()) {
        const Outputs outputs = run_engine(c, *engine);
        INFO(engine->device().id, " flag ", value, " constant ", constant);
        for (size_t o = 0; o < outputs.size(); ++o) CHECK(outputs[o].bytes == expected[o].bytes);
      }
    }
  }
}

TEST_CASE("LmHead serves every batch size up to the one it was prepared for") {
  const int64_t vocab = 700;
  const int64_t hidden = 64;
  const int64_t rows = 130;
  const SamplingOptions sampling{NoiseScheme::grouped, DType::bf16, DType::bf16, true};
  const Case c = make_lm_head_case(sampling, vocab, hidden, rows, 91);
  for (const auto& engine : engines()) {
    const std::vector<int64_t> expected = tokens(c, run_engine(c, *engine));
    std::vector<void*> memory;
    const auto allocate = [&](size_t bytes) {
      memory.push_back(engine->allocate(bytes));
      return memory.back();
    };
    auto upload = [&](const char* which) {
      const Array& a = const_cast<Case&>(c).input(which);
      void* data = allocate(a.bytes.size());
      engine->copy_to_device(data, a.bytes.data(), a.bytes.size());
      return data;
    };
    LmHeadOptions options;
    options.vocab_size = vocab;
    options.hidden_size = hidden;
    void* weights = upload("weights");
    LmHead head(engine, options, weights);
    SampleArgs args;
    args.rows = 1;
    CHECK(head.sample(nullptr, args) != Status::ok);  // nothing is prepared or bound
    head.prepare(rows);
    const size_t bytes = head.workspace_bytes(rows);
    args.workspace = allocate(bytes);
    args.workspace_bytes = bytes;
    CHECK(head.workspace_init(nullptr, args.workspace, bytes) == Status::ok);
    args.hidden_states = upload("hidden_states");
    args.temperature = static_cast<const float*>(upload("temperature"));
    args.seed = static_cast<const uint64_t*>(upload("seed"));
    args.offset = static_cast<const uint64_t*>(upload("offset"));
    args.token = static_cast<int32_t*>(allocate(4 * rows));
    for (int64_t count : {0, 1, 2, 8, 9, 64, 129, 130}) {
      args.rows = count;
      CHECK(head.sample(nullptr, args) == Status::ok);
      engine->synchronize();
      std::vector<int32_t> found(static_cast<size_t>(count));
      if (count > 0) engine->copy_to_host(found.data(), args.token, found.size() * 4);
      CHECK(std::vector<int64_t>(found.begin(), found.end()) ==
            std::vector<int64_t>(expected.begin(), expected.begin() + count));
    }
    args.rows = 100000;
    CHECK(head.sample(nullptr, args) == Status::too_many_rows);
    args.rows = 1;
    args.workspace_bytes = 1;
    CHECK(head.sample(nullptr, args) == Status::workspace_too_small);
    args.workspace_bytes = bytes;
    args.hidden_states = nullptr;
    CHECK(head.sample(nullptr, args) == Status::invalid_argument);
    for (void* data : memory) engine->release(data);
  }
}

TEST_CASE("LmHead gathers hidden states and scatters tokens of 64 bits") {
  const int64_t vocab = 700;
  const int64_t hidden = 64;
  const int64_t rows = 11;
  const int64_t slots = 16;
  const SamplingOptions sampling{NoiseScheme::grouped, DType::bf16, DType::bf16, true, DType::i64};
  Case c = make_lm_head_case(sampling, vocab, hidden, rows, 121);
  Array& states = c.input("hidden_states");
  states = make_array(DType::bf16, 30, hidden);
  Random random(122);
  fill_normal(states, random, 1.0f);
  std::vector<int32_t> index;
  std::vector<int32_t> positions;
  for (int32_t r = 0; r < rows; ++r) {
    index.push_back(r == 4 ? -1 : 29 - r * 2);
    positions.push_back(r == 6 ? -1 : r * 5 % 16);
  }
  c.input("hidden_index") = make_vector(DType::i32, index);
  c.input("token_position") = make_vector(DType::i32, positions);
  c.positions = slots;
  for (const auto& engine : engines()) {
    const std::vector<int64_t> expected = tokens(c, run_engine(c, *engine));
    std::vector<void*> memory;
    auto allocate = [&](size_t bytes) {
      memory.push_back(engine->allocate(bytes));
      return memory.back();
    };
    auto upload = [&](const char* which) {
      const Array& a = c.input(which);
      void* data = allocate(a.bytes.size());
      engine->copy_to_device(data, a.bytes.data(), a.bytes.size());
      return data;
    };
    LmHeadOptions options;
    options.vocab_size = vocab;
    options.hidden_size = hidden;
    options.token_dtype = DType::i64;
    LmHead head(engine, options, upload("weights"));
    head.prepare(rows);
    SampleArgs args;
    args.rows = rows;
    args.workspace_bytes = head.workspace_bytes(rows);
    args.workspace = allocate(args.workspace_bytes);
    CHECK(head.workspace_init(nullptr, args.workspace, args.workspace_bytes) == Status::ok);
    args.hidden_states = upload("hidden_states");
    args.temperature = static_cast<const float*>(upload("temperature"));
    args.seed = static_cast<const uint64_t*>(upload("seed"));
    args.offset = static_cast<const uint64_t*>(upload("offset"));
    args.hidden_index = static_cast<const int32_t*>(upload("hidden_index"));
    args.token_position = static_cast<const int32_t*>(upload("token_position"));
    std::vector<int64_t> found(static_cast<size_t>(slots), untouched(DType::i64));
    args.token = allocate(found.size() * 8);
    engine->copy_to_device(args.token, found.data(), found.size() * 8);
    CHECK(head.sample(nullptr, args) == Status::ok);
    engine->synchronize();
    engine->copy_to_host(found.data(), args.token, found.size() * 8);
    CHECK(found == expected);
    CHECK(found[6 * 5 % 16] == untouched(DType::i64));
    args.token = nullptr;
    CHECK(head.sample(nullptr, args) == Status::invalid_argument);
    for (void* data : memory) engine->release(data);
  }
}

}  // namespace
}  // namespace gumtile::test
