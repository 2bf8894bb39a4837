// What a head does to all of its logits, and that an absent setting changes no bit: over the table of fields.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <set>

#include "gumtile/lm_head.h"
#include "head/fields.h"
#include "head/settings.h"
#include "tests/program_run.h"
#include "tests/sampling_check.h"

namespace gumtile::test {
namespace {

constexpr int64_t kHidden = 64;
struct Shape {
  int64_t vocab, rows;
};
/// Tiles that end within a block, and whole ones; numbers of rows that leave lanes and warps without rows.
constexpr Shape kShapes[] = {{1000, 9}, {1024, 130}};
constexpr NoiseScheme kSchemes[] = {NoiseScheme::per_token, NoiseScheme::grouped};

SamplingOptions options_of(NoiseScheme noise, Features features = kNoFeatures) {
  SamplingOptions options;
  options.noise = noise;
  options.features = features;
  return options;
}

void fill(Array& array, double value) {
  for (int64_t i = 0; i < array.columns; ++i) switch (array.dtype) {
      case DType::i32:
      case DType::u32:
        array.as<int32_t>()[i] = static_cast<int32_t>(value);
        break;
      case DType::u64:
        array.as<uint64_t>()[i] = static_cast<uint64_t>(value);
        break;
      default:
        array.set(i, static_cast<float>(value));
    }
}

/// The case of another head on the same data. What `plain` does not have gets neutral values: an array of
/// -0.0, and for a call's inputs the table's default in every slot.
Case with_absent(const Case& plain, const Program& program) {
  Case c = make_case(program, plain.extents, plain.extents.rows);
  c.positions = plain.positions;
  for (size_t i = 0; i < program.inputs.size(); ++i) {
    const InputInfo& input = program.inputs[i];
    Array& array = c.inputs[i];
    bool shared = false;
    for (size_t j = 0; j < plain.program.inputs.size(); ++j)
      if (plain.program.inputs[j].name == input.name) {
        array = plain.inputs[j];
        shared = true;
      }
    if (shared) continue;
    if (input.optional) array = make_array(input.dtype, 1, plain.extents.rows);
    const head::Field* field = head::find_field(input.name);
    fill(array, field == nullptr ? -0.0 : field->absent.value);
  }
  return c;
}

/// Checks that the outputs that both have are the same bytes.
void check_same(const Case& a, const Outputs& of_a, const Case& b, const Outputs& of_b,
                const std::string& what) {
  INFO(what);
  for (const OutputInfo& info : a.program.outputs)
    CHECK(output(a.program, of_a, info.name).bytes == output(b.program, of_b, info.name).bytes);
}

/// One schedule of each family of a target, and of the wgmma schedules with turns or multicast.
std::vector<Schedule> one_of_each_kind(const Program& program, const Shape& shape, const Target& target) {
  Problem problem;
  problem.columns = shape.vocab;
  problem.contracted = kHidden;
  problem.max_rows = shape.rows;
  Random random(3);
  std::vector<Schedule> all;
  std::set<std::array<size_t, 3>> kinds;
  for (const Schedule& schedule : sample_schedules(program, problem, target, random, 200)) {
    std::array<size_t, 3> kind{schedule.family.index()};
    if (const auto* wgmma = std::get_if<WgmmaSchedule>(&schedule.family))
      kind = {kind[0], static_cast<size_t>(wgmma->turns),
              static_cast<size_t>(wgmma->cluster_m * wgmma->cluster_n)};
    if (kinds.insert(kind).second) all.push_back(schedule);
  }
  return all;
}

void check_absent(const SamplingOptions& plain, const SamplingOptions& more, const Shape& shape,
                  const std::string& what) {
  Case a = make_lm_head_case(plain, shape.vocab, kHidden, shape.rows, 21);
  Case b = with_absent(a, lm_head_sample(more));
  check_same(a, run_interpreter(a), b, run_interpreter(b), what + ", interpreter");
  for (const auto& engine : engines())
    for (const Schedule& schedule : one_of_each_kind(b.program, shape, engine->device().target))
      for (const int64_t first_column :
           shape.vocab % 64 == 0 ? std::vector<int64_t>{0, 64} : std::vector<int64_t>{37}) {
        a.first_column = b.first_column = first_column;
        check_same(a, run_engine(a, *engine, schedule), b, run_engine(b, *engine, schedule),
                   fmt::format("{}, {} x {} from {}, {} {}", what, shape.rows, shape.vocab, first_column,
                               engine->device().id, schedule.str()));
      }
}

TEST_CASE("what is absent moves no bit") {
  for (const NoiseScheme noise : kSchemes) {
    const SamplingOptions plain = options_of(noise);
    for (const head::FeatureBit& feature : head::feature_bits())
      for (const Shape& shape : kShapes)
        check_absent(plain, options_of(noise, feature.bit), shape,
                     fmt::format("{} {}", name(noise), feature.name));
    for (const Features features : {kNoFeatures, kAllFeatures})
      for (const head::ArraySetting& array : head::array_settings())
        for (const DType dtype : {DType::bf16, DType::f32}) {
          SamplingOptions more = options_of(noise, features);
          array.set(more.settings, nullptr, dtype);
          for (const Shape& shape : kShapes)
            check_absent(options_of(noise, features), more, shape,
                         fmt::format("{} {} of {}", name(noise), array.name, name(dtype)));
        }
    // Zero means no setting: a struct of an older header makes the same Program.
    SamplingOptions zeros = plain;
    for (const head::ScalarSetting& scalar : head::scalar_settings()) scalar.set(zeros.settings, 0.0F);
    CHECK(digest(lm_head_sample(zeros)) == digest(lm_head_sample(plain)));
  }
}

TEST_CASE("settings have one text, and values that mean nothing are refused") {
  HeadSettings all;
  for (const head::ScalarSetting& scalar : head::scalar_settings()) scalar.set(all, 0.1F);
  for (const head::ArraySetting& array : head::array_settings()) array.set(all, nullptr, DType::f16);
  CHECK(head::parse_settings(head::settings_text(all)) == all);
  CHECK(head::settings_text({}).empty());
  CHECK(head::parse_settings("") == HeadSettings());
  for (const char* text : {",", "=", "colour=1", "bias", "bias=i32", "bias=bf16,"})
    CHECK(!head::parse_settings(text));
  for (const head::ScalarSetting& scalar : head::scalar_settings()) {
    CAPTURE(std::string(scalar.name));
    std::vector<float> wrong = {std::numeric_limits<float>::infinity(), std::nanf(""), 1e-39F};
    if (head::find_head_option(scalar.name)->non_negative) wrong.push_back(-1.0F);
    for (const float value : wrong) {
      SamplingOptions options;
      scalar.set(options.settings, value);
      check_error(error_of([&] { lm_head_sample(options); }), ErrorCode::usage, {std::string(scalar.name)});
      CHECK(!head::parse_settings(fmt::format("{}={}", scalar.name, value)));
    }
  }
  for (const head::ArraySetting& array : head::array_settings()) {
    SamplingOptions options;
    array.set(options.settings, nullptr, DType::i32);
    check_error(error_of([&] { lm_head_sample(options); }), ErrorCode::usage,
                {std::string(array.name), "i32"});
  }
}

/// A head with `settings`: the interpreter against all engines and families, and against logits that are
/// computed here.
void check_settings(const HeadSettings& settings, const Shape& shape,
                    double (*expected)(double logit, int64_t token)) {
  const int64_t vocab = shape.vocab, rows = shape.rows;
  for (const NoiseScheme noise : kSchemes) {
    SamplingOptions options = options_of(noise, kAllFeatures);
    options.settings = settings;
    Case c = make_lm_head_case(options, vocab, kHidden, rows, 33);
    for (const head::ArraySetting& array : head::array_settings())
      if (array.dtype(settings)) {
        Array& values = c.input(std::string(array.name));
        for (int64_t v = 0; v < vocab; ++v) values.set(v, static_cast<float>(v % 7) * 0.5F);
      }
    const SamplingReference reference(c, options);
    for (const auto& engine : engines())
      for (const Schedule& schedule : one_of_each_kind(c.program, shape, engine->device().target)) {
        const TokenComparison result = reference.compare(run_engine(c, *engine, schedule));
        INFO(name(noise), " on ", engine->device().id, " ", schedule.str(), ": ", result.first_wrong);
        CHECK(result.wrong == 0);
        CHECK(result.largest_logprob_error <= 1e-4);
      }

    // Greedy rows have the largest of the logits that are computed here; their log-probability is that of the
    // softmax.
    fill(c.input("temperature"), 0);
    const Outputs outputs = run_interpreter(c);
    const Array& hidden = c.input("hidden_states");
    const Array& weights = c.input("weights");
    for (int64_t row = 0; row < rows; ++row) {
      std::vector<double> logits;
      for (int64_t v = 0; v < vocab; ++v) {
        double logit = 0;
        for (int64_t k = 0; k < kHidden; ++k)
          logit += static_cast<double>(hidden.get(row * hidden.row_stride + k)) *
                   static_cast<double>(weights.get(v * weights.row_stride + k));
        logits.push_back(expected(logit, v));
      }
      const double top = *std::max_element(logits.begin(), logits.end());
      double sum = 0;
      for (const double logit : logits) sum += std::exp(logit - top);
      const auto token = static_cast<size_t>(token_at(output(c.program, outputs, "token"), row));
      REQUIRE(token < logits.size());
      CHECK(logits[token] >= top - 1e-5);
      const double logprob = static_cast<double>(output(c.program, outputs, "logprob").get(row));
      CHECK(logprob == doctest::Approx(-std::log(sum)).epsilon(1e-4));
    }
  }
}

void check_settings(const HeadSettings& settings, double (*expected)(double logit, int64_t token)) {
  check_settings(settings, kShapes[0], expected);
}

TEST_CASE("a bias is added to the logits") {
  for (const DType dtype : {DType::bf16, DType::f16, DType::f32}) {
    HeadSettings settings;
    settings.bias_dtype = dtype;
    check_settings(settings,
                   [](double logit, int64_t token) { return logit + static_cast<double>(token % 7) * 0.5; });
  }
}

TEST_CASE("logits are capped by a hyperbolic tangent") {
  HeadSettings settings;
  settings.softcap = 2.5F;
  check_settings(settings, [](double logit, int64_t) { return 2.5 * std::tanh(logit / 2.5); });
}

TEST_CASE("logits are scaled, by a negative number too") {
  for (const float factor : {0.0625F, -0.5F}) {
    HeadSettings settings;
    settings.logit_scale = factor;
    if (factor > 0)
      check_settings(settings, [](double logit, int64_t) { return 0.0625 * logit; });
    else
      check_settings(settings, [](double logit, int64_t) { return -0.5 * logit; });
  }
}

TEST_CASE("bias, softcap and scale are applied in this order") {
  HeadSettings settings;
  settings.bias_dtype = DType::bf16;
  settings.softcap = 2.0F;
  settings.logit_scale = 3.0F;
  for (const Shape& shape : kShapes)
    check_settings(settings, shape, [](double logit, int64_t token) {
      return 3 * (2 * std::tanh((logit + static_cast<double>(token % 7) * 0.5) / 2));
    });
}

TEST_CASE("a head borrows its bias, and takes another one for it") {
  constexpr int64_t kVocab = 1024;
  for (const auto& engine : engines())
    for (const int32_t first_token : {0, 64, 37}) {
      std::vector<uint16_t> ones(kVocab * kHidden, 0x3f80);
      std::vector<float> bias(kVocab, 0.0F);
      bias[77] = 1.0F;
      const auto on_device = [&](const void* data, size_t bytes) {
        void* memory = engine->allocate(bytes);
        engine->copy_to_device(memory, data, bytes);
        return memory;
      };
      void* weights = on_device(ones.data(), ones.size() * 2);
      void* first = on_device(bias.data(), bias.size() * 4);
      bias[77] = 0;
      bias[500] = 1.0F;
      void* second = on_device(bias.data(), bias.size() * 4);
      const float zero = 0;
      void* temperature = on_device(&zero, sizeof zero);
      void* token = engine->allocate(4);

      LmHeadOptions options;
      options.vocab_size = kVocab;
      options.hidden_size = kHidden;
      options.first_token = first_token;
      options.settings.bias = first;
      check_error(error_of([&] { LmHead(engine, options, weights); }), ErrorCode::usage, {"bias_dtype"});
      options.settings.bias_dtype = DType::f32;
      LmHead head(engine, options, weights);
      head.prepare(1, {kNoFeatures});
      const size_t bytes = head.workspace_bytes(1);
      void* workspace = engine->allocate(std::max<size_t>(bytes, 1));
      const auto sampled = [&] {
        SampleArgs args;
        args.rows = 1;
        args.hidden_states = weights;
        args.temperature = static_cast<const float*>(temperature);
        args.token = token;
        args.workspace = workspace;
        args.workspace_bytes = bytes;
        CHECK(head.workspace_init(nullptr, workspace, bytes) == Status::ok);
        CHECK(head.sample(nullptr, args) == Status::ok);
        engine->synchronize();
        int32_t value = -7;
        engine->copy_to_host(&value, token, sizeof value);
        return value;
      };
      CHECK(sampled() == first_token + 77);
      head.set_array("bias", second);
      CHECK(sampled() == first_token + 500);
      check_error(error_of([&] { head.set_array("bais", second); }), ErrorCode::usage, {"bais"});
      check_error(error_of([&] { head.set_array("bias", nullptr); }), ErrorCode::usage, {"bias", "null"});
      check_error(error_of([&] { head.set_array("bias", static_cast<char*>(second) + 1); }), ErrorCode::usage,
                  {"bias", "4 bytes"});
      options.settings = {};
      LmHead plain(engine, options, weights);
      check_error(error_of([&] { plain.set_array("bias", second); }), ErrorCode::usage, {"bias_dtype"});
      for (void* memory : {weights, first, second, temperature, token, workspace}) engine->release(memory);
    }
}

}  // namespace
}  // namespace gumtile::test
