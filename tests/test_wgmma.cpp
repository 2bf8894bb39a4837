// The wgmma family on a GPU: its code shapes agree, and launches leave their workspace ready for the next
// one.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <map>
#include <set>
#include <tuple>

#include "gumtile/assembler.h"
#include "gumtile/jit.h"
#include "gumtile/lm_head.h"
#include "tests/sampling_check.h"

namespace gumtile::test {
namespace {

/// A GPU that the family runs on, or null.
std::shared_ptr<Engine> hopper() {
  for (const auto& engine : engines())
    if (engine->device().target.str() == "sm_90a") return engine;
  MESSAGE("there is no sm_90a GPU: skipped");
  return nullptr;
}

std::vector<int32_t> tokens(const Case& c, const Outputs& outputs) {
  const Array& a = output(c.program, outputs, "token");
  return {a.as<int32_t>(), a.as<int32_t>() + c.extents.rows};
}

/// One schedule per shape of the code, the first in the schedule space, and a seeded sample of the rest.
std::vector<Schedule> code_shapes(const Program& program, const Problem& problem, Random& random) {
  std::set<std::tuple<int, int, int, int, int, int, int, int>> seen;
  std::vector<Schedule> chosen;
  for (const Schedule& schedule : schedule_space(program, problem, Target::parse("sm_90a"))) {
    const auto* s = std::get_if<WgmmaSchedule>(&schedule.family);
    if (!s) continue;
    const bool first = seen.insert({s->block_rows, s->block_vocab, s->block_k, s->warpgroups_m,
                                    s->warpgroups_n, s->cluster_m, s->cluster_n, s->turns})
                           .second;
    if (first || random.below(20) == 0) chosen.push_back(schedule);
  }
  return chosen;
}

void check_code_shapes(int64_t rows) {
  const auto engine = hopper();
  if (!engine) return;
  Random random(17);
  struct Shape {
    int64_t vocab, hidden;
    NoiseScheme noise;
  };
  for (const Shape& shape : {Shape{3001, 136, NoiseScheme::grouped},
                             {1280, 512, NoiseScheme::grouped},
                             {20000, 72, NoiseScheme::per_token}}) {
    const SamplingOptions options{shape.noise, DType::bf16, DType::bf16, false};
    const Case c = make_lm_head_case(options, shape.vocab, shape.hidden, rows, 61);
    const SamplingReference reference(c, options);
    const Outputs expected = run_engine(c, *engine);
    const TokenComparison comparison = reference.compare(expected);
    INFO(comparison.first_wrong);
    CHECK(comparison.wrong == 0);
    const Problem problem{shape.vocab, shape.hidden, rows, 16};
    const std::vector<Schedule> schedules = code_shapes(c.program, problem, random);
    const std::vector<Kernel> kept = load_all(c, *engine, schedules);
    for (const Schedule& schedule : schedules) {
      INFO(schedule.str(), " V=", shape.vocab, " K=", shape.hidden, " B=", rows);
      CHECK(tokens(c, run_engine(c, *engine, schedule)) == tokens(c, expected));
    }
  }
}

TEST_CASE("every wgmma code shape gives the same tokens, 1 row") { check_code_shapes(1); }
TEST_CASE("every wgmma code shape gives the same tokens, 17 rows") { check_code_shapes(17); }
TEST_CASE("every wgmma code shape gives the same tokens, 64 rows") { check_code_shapes(64); }
TEST_CASE("every wgmma code shape gives the same tokens, 200 rows") { check_code_shapes(200); }

TEST_CASE("blocks of several tiles give the same tokens whoever takes the tiles") {
  if (!hopper()) return;
  struct Shape {
    int64_t vocab, hidden, first_column;
  };
  // Along the columns: up to eleven tiles per block, odd numbers of tiles, and blocks without tiles.
  for (const int max_blocks : {1, 6}) {
    EngineOptions engine_options;
    engine_options.source = with_assembler(make_jit());
    engine_options.max_blocks = max_blocks;
    const auto engine = Engine::open("cuda:0", engine_options);
    for (const Shape& shape : {Shape{1280, 64, 0}, {333, 72, 0}, {700, 520, 1000}})
      for (const bool logprob : {false, true}) {
        const SamplingOptions options{NoiseScheme::grouped, DType::bf16, DType::bf16, logprob};
        Case c = make_lm_head_case(options, shape.vocab, shape.hidden, 200, 67);
        c.first_column = shape.first_column;
        const Outputs expected = run_engine(c, *engine);
        INFO("V=", shape.vocab, " K=", shape.hidden, " blocks=", max_blocks);
        if (shape.first_column == 0) {  // the interpreter takes whole vocabularies
          const TokenComparison comparison = SamplingReference(c, options).compare(expected);
          INFO(comparison.first_wrong);
          CHECK(comparison.wrong == 0);
        }
        std::vector<Schedule> schedules;
        for (const char* text :
             {"b128,v128,k64,stages=2,cluster=2x1,turns=2", "b128,v128,k64,stages=5,cluster=1x2,turns=2",
              "b128,v128,k64,stages=6,cluster=1x1,turns=2", "b64,v64,k128,stages=3,turns=2",
              "b64,v192,k64,stages=4,turns=2", "b128,v256,k64,stages=4,wg=2x1,cluster=2x1",
              "b128,v128,k64,stages=3,wg=2x1,cluster=1x2"})
          schedules.push_back(Schedule::parse(fmt::format("wgmma:{}", text)));
        const std::vector<Kernel> kept = load_all(c, *engine, schedules);
        for (const Schedule& schedule : schedules) {
          INFO(schedule.str(), " logprob ", logprob);
          CHECK(tokens(c, run_engine(c, *engine, schedule)) == tokens(c, expected));
        }
      }
  }
}

/// A prepared head with its inputs and outputs on the device.
class Sampler {
 public:
  Sampler(std::shared_ptr<Engine> engine, const Case& c, bool logprob, int64_t max_rows)
      : engine_(std::move(engine)) {
    LmHeadOptions options;
    options.vocab_size = c.extents.columns;
    options.hidden_size = c.extents.contracted;
    auto upload = [&](const char* which) {
      const Array& a = const_cast<Case&>(c).input(which);
      void* memory = allocate(a.bytes.size());
      engine_->copy_to_device(memory, a.bytes.data(), a.bytes.size());
      return memory;
    };
    head_.emplace(engine_, options, upload("weights"));
    head_->prepare(max_rows, {logprob ? Features{feature_logprob} : kNoFeatures});
    // A kernel that was not assembled as a whole has spilled registers.
    for (int64_t rows : batch_buckets(max_rows))
      CHECK(head_->kernel_for(std::min(rows, max_rows))->local_bytes() == 0);
    args.hidden_states = upload("hidden_states");
    args.temperature = static_cast<const float*>(upload("temperature"));
    args.seed = static_cast<const uint64_t*>(upload("seed"));
    args.offset = static_cast<const uint64_t*>(upload("offset"));
    args.token = static_cast<int32_t*>(allocate(4 * static_cast<size_t>(max_rows)));
    args.status = static_cast<uint32_t*>(allocate(4 * static_cast<size_t>(max_rows)));
    if (logprob) args.logprob = static_cast<float*>(allocate(4 * static_cast<size_t>(max_rows)));
    args.any_status = static_cast<uint32_t*>(allocate(4));
    args.workspace_bytes = head_->workspace_bytes(max_rows);
    args.workspace = allocate(args.workspace_bytes);
    REQUIRE(head_->workspace_init(nullptr, args.workspace, args.workspace_bytes) == Status::ok);
  }
  ~Sampler() {
    for (void* memory : memory_) engine_->release(memory);
  }
  Sampler(const Sampler&) = delete;
  Sampler& operator=(const Sampler&) = delete;

  struct Result {
    std::vector<int32_t> token;
    std::vector<uint32_t> status;
    std::vector<float> logprob;
    uint32_t any_status = 0;
    bool operator==(const Result& other) const {
      return token == other.token && status == other.status && any_status == other.any_status &&
             logprob.size() == other.logprob.size() &&
             std::memcmp(logprob.data(), other.logprob.data(), 4 * logprob.size()) == 0;
    }
  };
  Result sample(int64_t rows) {
    args.rows = rows;
    REQUIRE(head_->sample(nullptr, args) == Status::ok);
    engine_->synchronize();
    const auto count = static_cast<size_t>(rows);
    Result result{std::vector<int32_t>(count), std::vector<uint32_t>(count), {}, 0};
    engine_->copy_to_host(result.token.data(), args.token, 4 * count);
    engine_->copy_to_host(result.status.data(), args.status, 4 * count);
    engine_->copy_to_host(&result.any_status, args.any_status, 4);
    if (args.logprob) {
      result.logprob.resize(count);
      engine_->copy_to_host(result.logprob.data(), args.logprob, 4 * count);
    }
    return result;
  }
  void* allocate(size_t bytes) {
    memory_.push_back(engine_->allocate(bytes));
    return memory_.back();
  }
  const LmHead& head() const { return *head_; }

  SampleArgs args;

 private:
  std::shared_ptr<Engine> engine_;
  std::optional<LmHead> head_;
  std::vector<void*> memory_;
};

TEST_CASE("launches of all sizes share a workspace, and repeat to the bit") {
  const auto engine = hopper();
  if (!engine) return;
  for (bool logprob : {false, true}) {
    const SamplingOptions options{NoiseScheme::grouped, DType::bf16, DType::bf16, logprob};
    Case c = make_lm_head_case(options, 5000, 256, 520, 71);
    // Bad rows, one of them in the last group of rows.
    for (int64_t row : {3, 516}) c.input("temperature").as<float>()[row] = -1.0f;
    Sampler sampler(engine, c, logprob, 520);
    std::map<int64_t, Sampler::Result> first;
    for (int round = 0; round < 4; ++round)
      for (int64_t rows : {520, 1, 64, 3, 129, 200, 4, 512, 65}) {
        const Sampler::Result result = sampler.sample(rows);
        const auto [it, is_new] = first.emplace(rows, result);
        INFO("rows ", rows, " round ", round, " logprob ", logprob);
        CHECK(result == it->second);
        for (int64_t row = 0; row < rows; ++row)
          CHECK(result.status[static_cast<size_t>(row)] ==
                (row == 3 || row == 516 ? status_bad_temperature : 0u));
        CHECK(result.any_status == (rows > 3 ? status_bad_temperature : 0u));
        CHECK(std::equal(result.token.begin(), result.token.end(), first.at(520).token.begin()));
      }
  }
}

TEST_CASE("num_rows and inactive slots leave rows alone") {
  const auto engine = hopper();
  if (!engine) return;
  const SamplingOptions options{NoiseScheme::grouped, DType::bf16, DType::bf16, false};
  const Case c = make_lm_head_case(options, 3000, 128, 150, 72);
  Sampler sampler(engine, c, false, 150);
  const std::vector<int32_t> expected = sampler.sample(150).token;
  auto* num_rows = static_cast<int32_t*>(sampler.allocate(4));
  sampler.args.num_rows = num_rows;
  for (int32_t count : {0, 1, 64, 100, 150, 1000}) {
    engine->copy_to_device(num_rows, &count, 4);
    const std::vector<int32_t> poison(150, -77);
    engine->copy_to_device(sampler.args.token, poison.data(), 600);
    const std::vector<int32_t> found = sampler.sample(150).token;
    for (int32_t row = 0; row < 150; ++row)
      CHECK(found[static_cast<size_t>(row)] == (row < count ? expected[static_cast<size_t>(row)] : -77));
  }
}

TEST_CASE("programmatic launches give the same tokens back to back") {
  const auto engine = hopper();
  if (!engine) return;
  const SamplingOptions options{NoiseScheme::grouped, DType::bf16, DType::bf16, true};
  const Case c = make_lm_head_case(options, 20000, 512, 70, 73);
  Sampler sampler(engine, c, true, 70);
  const Sampler::Result expected = sampler.sample(70);
  for (bool stable : {false, true}) {
    sampler.args.flags = GUMTILE_SAMPLE_PROGRAMMATIC;
    if (stable) sampler.args.flags |= GUMTILE_SAMPLE_WEIGHTS_STABLE;
    for (int i = 0; i < 50; ++i) {
      sampler.args.rows = i % 2 ? 70 : 5;
      REQUIRE(sampler.head().sample(nullptr, sampler.args) == Status::ok);
    }
    CHECK(sampler.sample(70) == expected);
  }
}

TEST_CASE("a workspace stays under 4 MB at 512 rows") {
  const auto engine = hopper();
  if (!engine) return;
  for (bool logprob : {false, true}) {
    const SamplingOptions options{NoiseScheme::grouped, DType::bf16, DType::bf16, logprob};
    const Case c = make_lm_head_case(options, 151936, 64, 1, 74);
    const Sampler sampler(engine, c, logprob, 512);
    CHECK(sampler.args.workspace_bytes < (size_t{4} << 20));
  }
}

}  // namespace
}  // namespace gumtile::test
