// How sampling Programs are built: what stays the same, users' own fragments, workload classes.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <set>

#include "gumtile/dsl_functions.h"
#include "gumtile/workload.h"
#include "head/fields.h"
#include "tests/program_run.h"

namespace gumtile::test {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

// Digests are keys of caches, packs and records: changing them invalidates every user's files.
TEST_CASE("the digests of the sampling Programs stay what they are") {
  struct Row {
    NoiseScheme noise;
    Features features;
    DType token, dtype;
    const char* head;
    const char* logits;
  };
  const Row rows[] = {
      {NoiseScheme::grouped, kNoFeatures, DType::i32, DType::bf16, "fbcb2c73b5f47b8d7655b5b8c70e32d2",
       "8032cbb3200f4847824073331ba7b4fa"},
      {NoiseScheme::grouped, kNoFeatures, DType::i32, DType::f16, "6bb761d897caf23962356f954125ace2",
       "dbc830df21d919e04b65fd7d5460dd21"},
      {NoiseScheme::grouped, kNoFeatures, DType::i32, DType::f32, "a0e272bf18d54541ea9048e483d2ecce",
       "cb681f1624dce96b170ae0f68c0ee06b"},
      {NoiseScheme::grouped, kNoFeatures, DType::i64, DType::bf16, "37f20cc9fd30ce23da44d86b80c91791",
       "07c98fc5a5dc947f9506b06c4baf1f19"},
      {NoiseScheme::grouped, kNoFeatures, DType::i64, DType::f16, "25e496ce86daca0776f6704ee6f8b0c8",
       "4e489b75c030ea247791f568997a65db"},
      {NoiseScheme::grouped, kNoFeatures, DType::i64, DType::f32, "9ba41488f74c09fbca507508f0787ca5",
       "f0587aa827de201a4bcfb7076308a83a"},
      {NoiseScheme::grouped, feature_logprob, DType::i32, DType::bf16, "49780bd8b510f129a5367c382fa573f3",
       "2a5799e07c30d0aac090ecc6f108c69e"},
      {NoiseScheme::grouped, feature_logprob, DType::i32, DType::f16, "ca6ec2c23cafe95072ffc73cdba51538",
       "701fa81d7a693c1d980b392175cc5fe1"},
      {NoiseScheme::grouped, feature_logprob, DType::i32, DType::f32, "22805e9eaa2b9fd47f33d2907a1971a8",
       "8f5d6d9e5be334785581fdcdd1429e10"},
      {NoiseScheme::grouped, feature_logprob, DType::i64, DType::bf16, "bc57f9ad25acc92657f91f8876a26142",
       "3a3796dae930592a85ffc5c7ae9e5117"},
      {NoiseScheme::grouped, feature_logprob, DType::i64, DType::f16, "4df7a1968c36df3955d599e8d68d482c",
       "6fcd1653ed6f962597096df3abf030c4"},
      {NoiseScheme::grouped, feature_logprob, DType::i64, DType::f32, "1c3dd3ac9d56208cddfd1e186b97b2fc",
       "ee56c32dee34fda27bccb75dc9b5b819"},
      {NoiseScheme::per_token, kNoFeatures, DType::i32, DType::bf16, "270f5e303be866ce574cded4a9ebc7fd",
       "06de862d5f64a2c2512a8939797ae8e6"},
      {NoiseScheme::per_token, kNoFeatures, DType::i32, DType::f16, "bbf14b3ed19635b41daf49cf7f3e066f",
       "cf0f2781fd7d5f511a07d4a7911e858b"},
      {NoiseScheme::per_token, kNoFeatures, DType::i32, DType::f32, "55530b7e22a41a9ec007d2876be097e3",
       "635dfb147e3cfcf3efcda352cebc13db"},
      {NoiseScheme::per_token, kNoFeatures, DType::i64, DType::bf16, "04f1e60d61408e7334a186103b375c45",
       "527922fc06cf76940dca456b9449704f"},
      {NoiseScheme::per_token, kNoFeatures, DType::i64, DType::f16, "3d31a3749425e39fbc2ff2ac9243635c",
       "66bf5a512747af69395de6f980de864f"},
      {NoiseScheme::per_token, kNoFeatures, DType::i64, DType::f32, "e72dfb3e66223bcdfc7a3fd54e482650",
       "46fd6384738d179834c56cac1fb27ad0"},
      {NoiseScheme::per_token, feature_logprob, DType::i32, DType::bf16, "51027fb27dd4278edcfd9132888e28ed",
       "f8b4c3426441c269b4a27dd56af746d8"},
      {NoiseScheme::per_token, feature_logprob, DType::i32, DType::f16, "2016475b1502a23810d7a70a894b047d",
       "ccb561f5d66152daeb70fea1237e91ab"},
      {NoiseScheme::per_token, feature_logprob, DType::i32, DType::f32, "258d03b5f9ec497af1220ed4ff600629",
       "07623a2c182971a0d9bc3d7fced3285d"},
      {NoiseScheme::per_token, feature_logprob, DType::i64, DType::bf16, "d1d2b15f33018a2ab96d47d6a41f86ef",
       "036c4eb48e3348e2d4470a0e797a8a1d"},
      {NoiseScheme::per_token, feature_logprob, DType::i64, DType::f16, "055447498dd8537e5c5b802c33f23b24",
       "feeed30c6338f88118ce9b6fa51d4439"},
      {NoiseScheme::per_token, feature_logprob, DType::i64, DType::f32, "8d38cd0c52baccd0ada00671f975c374",
       "16e39fea1f71cb2021628d85aa403321"},
  };
  for (const Row& row : rows) {
    const SamplingOptions options{row.noise, row.dtype, row.dtype, row.features, row.token, {}};
    CAPTURE(name(row.noise));
    CAPTURE(row.features);
    CAPTURE(name(row.dtype));
    CHECK(digest(lm_head_sample(options)) == row.head);
    CHECK(digest(sample_logits(options)) == row.logits);
  }
}

struct Sampled {
  std::vector<int32_t> token;
  std::vector<float> logprob;
  std::vector<uint32_t> status;
  std::vector<float> extra;
};

/// `bind` adds inputs of fragments.
template <typename Bind>
Sampled sample(const SamplingOptions& options, const std::vector<float>& logits, int64_t rows,
               const Bind& bind) {
  const Program program = sample_logits(options);
  HostRun run(program, {rows, static_cast<int64_t>(logits.size()) / rows});
  run.in("logits", logits);
  Sampled s{std::vector<int32_t>(static_cast<size_t>(rows), -7),
            std::vector<float>(static_cast<size_t>(rows)), std::vector<uint32_t>(static_cast<size_t>(rows)),
            std::vector<float>(static_cast<size_t>(rows))};
  const std::vector<uint64_t> seed = {11, 12, 13, 14};
  const std::vector<float> temperature = {0.0f, 1.0f, 0.5f, 2.0f};
  run.in("seed", seed).in("temperature", temperature);
  run.out("token", s.token).out("logprob", s.logprob).out("status", s.status);
  bind(run, s);
  run.run();
  return s;
}

std::vector<float> some_logits(int64_t rows, int64_t columns) {
  std::vector<float> logits;
  for (int64_t i = 0; i < rows * columns; ++i)
    logits.push_back(static_cast<float>(std::sin(static_cast<double>(i) * 1.7) * 3));
  return logits;
}

SamplingOptions options_of(NoiseScheme noise) {
  return {noise, DType::f32, DType::f32, feature_logprob, DType::i32, {}};
}

TEST_CASE("a fragment of the user's own adds a bias from an input that it names") {
  constexpr int64_t kRows = 4, kColumns = 100;
  const std::vector<float> logits = some_logits(kRows, kColumns);
  std::vector<float> bias, sum = logits;
  for (int64_t v = 0; v < kColumns; ++v) bias.push_back(v == 42 ? 9.0f : static_cast<float>(v % 3));
  for (size_t i = 0; i < sum.size(); ++i) sum[i] += bias[i % static_cast<size_t>(kColumns)];
  for (const NoiseScheme noise : {NoiseScheme::grouped, NoiseScheme::per_token}) {
    SamplingOptions options = options_of(noise);
    const Sampled expected = sample(options, sum, kRows, [](HostRun&, Sampled&) {});
    options.fragments.push_back({"task bias", HeadStage::logits, [](HeadBuilder& h) {
                                   h.logit = h.logit + h.input("task_bias", DType::f32, Over::vocab, -0.0);
                                 }});
    const Sampled biased =
        sample(options, logits, kRows, [&](HostRun& run, Sampled&) { run.in("task_bias", bias); });
    CHECK(biased.token == expected.token);
    CHECK(biased.logprob == expected.logprob);
    CHECK(biased.token[0] == 42);
    const Sampled plain = sample(options_of(noise), logits, kRows, [](HostRun&, Sampled&) {});
    const Sampled absent = sample(options, logits, kRows, [](HostRun&, Sampled&) {});
    CHECK(absent.token == plain.token);
    CHECK(absent.logprob == plain.logprob);
  }
}

TEST_CASE("a fragment may take candidates away, fail rows, carry values and add outputs") {
  constexpr int64_t kRows = 4, kColumns = 70;
  const std::vector<float> logits = some_logits(kRows, kColumns);
  SamplingOptions options = options_of(NoiseScheme::grouped);
  options.fragments = {{"even tokens", HeadStage::candidates,
                        [](HeadBuilder& h) { h.candidates((h.vocab.index() & 1) == 0); }},
                       {"raw logit", HeadStage::candidates, [](HeadBuilder& h) { h.carry("raw", h.logit); }},
                       {"raw logit", HeadStage::results,
                        [](HeadBuilder& h) { h.output("raw_logit", DType::f32, h.carried("raw")); }},
                       {"veto", HeadStage::scores, [](HeadBuilder& h) {
                          h.fail("no_candidate", h.input("veto", DType::i32, Over::rows, 0) != 0);
                        }}};
  const std::vector<int32_t> veto = {0, 0, 1, 0};
  const Sampled s = sample(options, logits, kRows, [&](HostRun& run, Sampled& sampled) {
    run.in("veto", veto).out("raw_logit", sampled.extra);
  });
  for (size_t row = 0; row < kRows; ++row) {
    CAPTURE(row);
    if (veto[row] != 0) {
      CHECK(s.token[row] == -1);
      CHECK(s.status[row] == status_no_candidate);
      continue;
    }
    REQUIRE(s.token[row] >= 0);
    CHECK(s.token[row] % 2 == 0);
    CHECK(s.status[row] == 0);
    CHECK(s.extra[row] == logits[row * kColumns + static_cast<size_t>(s.token[row])]);
  }
}

TEST_CASE("what a fragment asks for out of turn, or by a name that is not there, is refused") {
  const auto error_in = [](HeadStage stage, std::function<void(HeadBuilder&)> build) {
    SamplingOptions options = options_of(NoiseScheme::grouped);
    options.fragments.push_back({"wrong", stage, std::move(build)});
    return error_of([&] { sample_logits(options); });
  };
  check_error(error_in(HeadStage::logits, [](HeadBuilder& h) { h.input("temprature"); }), ErrorCode::usage,
              {"temprature"});
  check_error(
      error_in(HeadStage::logits, [](HeadBuilder& h) { h.input("seed", DType::u64, Over::slots, 0); }),
      ErrorCode::usage, {"'seed'", "another name"});
  check_error(error_in(HeadStage::logits,
                       [](HeadBuilder& h) {
                         h.input("x", DType::f32, Over::vocab, 0);
                         h.input("x", DType::f32, Over::rows, 0);
                       }),
              ErrorCode::usage, {"'x'", "another name"});
  for (const char* name : {"bias", "weights"})
    check_error(
        error_in(HeadStage::logits, [name](HeadBuilder& h) { h.input(name, DType::f32, Over::vocab, -0.0); }),
        ErrorCode::usage, {name, "another name"});
  check_error(error_in(HeadStage::logits, [](HeadBuilder& h) { static_cast<void>(h.scaled()); }),
              ErrorCode::usage, {"scaled", "candidates"});
  check_error(error_in(HeadStage::candidates, [](HeadBuilder& h) { static_cast<void>(h.status()); }),
              ErrorCode::usage, {"status", "results"});
  check_error(error_in(HeadStage::results, [](HeadBuilder& h) { static_cast<void>(h.carried("score2")); }),
              ErrorCode::usage, {"score2", "carry"});
  check_error(error_in(HeadStage::results, [](HeadBuilder& h) { h.fail("bad_luck", h.failed()); }),
              ErrorCode::usage, {"bad_luck"});
  SamplingOptions options;
  options.features = Features{1} << 63;
  check_error(error_of([&] { lm_head_sample(options); }), ErrorCode::usage, {"0x8000000000000000"});
}

TEST_CASE("sets of features have names") {
  CHECK(head::feature_set_name(kNoFeatures) == "token");
  CHECK(head::feature_set_name(feature_logprob) == "logprob");
  for (const head::FeatureBit& feature : head::feature_bits())
    CHECK(head::parse_feature_set(feature.name) == feature.bit);
  CHECK(head::parse_feature_set("token") == kNoFeatures);
  CHECK(head::parse_feature_set(head::feature_set_name(kAllFeatures)) == kAllFeatures);
  for (const char* text : {"", "+", "logprob+", "logprobs", "token+logprob"})
    CHECK(!head::parse_feature_set(text));
}

TEST_CASE("names in the table of fields are unique, and Programs use no other") {
  std::set<std::string> names;
  for (const head::Field& field : head::fields()) CHECK(names.insert(std::string(field.name)).second);
  const Program program = lm_head_sample({NoiseScheme::grouped, DType::bf16, DType::bf16, kAllFeatures});
  for (const InputInfo& input : program.inputs)
    if (input.name != "weights") CHECK(head::find_field(input.name) != nullptr);
  for (const OutputInfo& output : program.outputs) CHECK(head::find_field(output.name) != nullptr);
}

TEST_CASE("workload classes tell apart what schedules depend on, and nothing else") {
  const auto of = [](NoiseScheme noise, Features features, DType dtype, DType token) {
    return workload_of(lm_head_sample({noise, dtype, dtype, features, token, {}}));
  };
  const Workload plain = of(NoiseScheme::grouped, kNoFeatures, DType::bf16, DType::i32);
  CHECK(plain == of(NoiseScheme::grouped, kNoFeatures, DType::bf16, DType::i64));
  CHECK(plain.bound == Workload::Bound::group);
  CHECK(plain.join == Join::packed);
  const Workload logprob = of(NoiseScheme::grouped, feature_logprob, DType::bf16, DType::i32);
  CHECK(logprob.join == Join::records);
  CHECK(logprob.transcendental == plain.transcendental + 16);
  CHECK(of(NoiseScheme::per_token, kNoFeatures, DType::bf16, DType::i32).bound == Workload::Bound::element);
  CHECK(plain != of(NoiseScheme::grouped, kNoFeatures, DType::f16, DType::i32));
  for (const Program& program : built_in_programs()) {
    const Workload workload = workload_of(program);
    CHECK(Workload::parse(workload.str()) == workload);
    CHECK(distance(workload, workload) == 0);
  }
  for (const char* text : {"", "left=bf16", "left=bf17,right=bf16"}) CHECK(!Workload::parse(text));
  CHECK(!Workload::parse(plain.str() + ","));
  CHECK(!Workload::parse(plain.str() + ",more=1"));
  for (const char* words : {"-1", "-0", "+3", "03", "3.0", ""})
    CHECK(
        !Workload::parse(fmt::format("left=bf16,right=bf16,operands=bf16,sweeps=1,join=packed,words={},"
                                     "bound=group,loads=0,stores=0,transcendental=19",
                                     words)));
}

TEST_CASE("the distance of workload classes") {
  SamplingOptions options;
  options.features = kNoFeatures;
  const Workload plain = workload_of(lm_head_sample(options));
  options.fragments.push_back({"task bias", HeadStage::logits, [](HeadBuilder& h) {
                                 h.logit = h.logit + h.input("task_bias", DType::f32, Over::vocab, -0.0);
                               }});
  const Workload biased = workload_of(lm_head_sample(options));
  options.features = feature_logprob;
  const Workload both = workload_of(lm_head_sample(options));
  REQUIRE(distance(plain, biased));
  REQUIRE(distance(plain, both));
  CHECK(*distance(plain, biased) > 0);
  CHECK(*distance(plain, biased) < *distance(plain, both));
  options.weights_dtype = options.hidden_dtype = DType::f16;
  CHECK(!distance(plain, workload_of(lm_head_sample(options))));
}

}  // namespace
}  // namespace gumtile::test
