// Packs made by the compiler, used by engines without a compiler.
#include <doctest/doctest.h>

#include <algorithm>
#include <functional>
#include <numeric>
#include <stdexcept>

#include "gumtile/compiler.h"
#include "gumtile/error.h"
#include "gumtile/jit.h"
#include "gumtile/lm_head.h"
#include "gumtile/tuning.h"
#include "runtime/engine/backend.h"
#include "runtime/engine/kernel_loader.h"
#include "tests/pack_fixture.h"

namespace gumtile::test {
namespace {

Error error_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return error;
  }
  FAIL("no Error was thrown");
  throw std::logic_error("unreachable");
}

bool contains(const Error& error, const std::string& text) {
  std::string all = error.what();
  for (const std::string& note : error.notes()) all += "\n" + note;
  return all.find(text) != std::string::npos;
}

/// Small integers and halves: dot products are exact, so that every variant of the host gives the same
/// tokens.
std::vector<uint16_t> exact_values(int64_t count, uint32_t seed) {
  std::vector<uint16_t> values(static_cast<size_t>(count));
  uint32_t state = seed;
  for (uint16_t& value : values) {
    state = state * 1664525 + 1013904223;  // Numerical Recipes
    value = float_to_bf16((static_cast<float>(state >> 29) - 3.5f) * 0.125f);
  }
  return values;
}

struct Sampled {
  std::vector<int32_t> token;
  std::vector<float> logprob;
  bool operator==(const Sampled&) const = default;
};

/// Weights at an address aligned to 64 bytes.
struct Data {
  std::vector<uint16_t> weights_storage = exact_values(kPackVocab * kPackHidden + 32, 1);
  std::vector<uint16_t> hidden = exact_values(8 * kPackHidden, 2);
  const uint16_t* weights() const {
    const auto address = reinterpret_cast<uintptr_t>(weights_storage.data());
    return weights_storage.data() + (64 - address % 64) % 64 / 2;
  }
};

Sampled sample(LmHead& head, Engine& engine, const Data& data, int64_t rows, bool logprob) {
  Sampled result;
  result.token.assign(static_cast<size_t>(rows), -2);
  if (logprob) result.logprob.assign(static_cast<size_t>(rows), 1.0f);
  std::vector<uint64_t> seed(static_cast<size_t>(rows));
  std::iota(seed.begin(), seed.end(), uint64_t{1});
  const size_t bytes = head.workspace_bytes(rows);
  void* workspace = engine.allocate(bytes);
  SampleArgs args;
  args.rows = rows;
  args.hidden_states = data.hidden.data();
  args.seed = seed.data();
  args.token = result.token.data();
  args.logprob = logprob ? result.logprob.data() : nullptr;
  args.workspace = workspace;
  args.workspace_bytes = bytes;
  CHECK(head.workspace_init(nullptr, workspace, bytes) == Status::ok);
  CHECK(head.sample(nullptr, args) == Status::ok);
  engine.synchronize();
  engine.release(workspace);
  return result;
}

/// An engine with only this source.
std::shared_ptr<Engine> bare_engine(std::shared_ptr<KernelSource> source) {
  EngineOptions options;
  options.source = std::move(source);
  return Engine::open("cpu", options);
}

/// The tokens that an engine with this source samples.
Sampled sample_with(const std::shared_ptr<KernelSource>& source, const Data& data, bool logprob,
                    EngineStats* stats = nullptr) {
  const std::shared_ptr<Engine> engine = bare_engine(source);
  LmHead head(engine, host_request().head, data.weights());
  head.prepare(8, {kNoFeatures, feature_logprob});
  if (stats != nullptr) *stats = engine->stats();
  return sample(head, *engine, data, 8, logprob);
}

const std::string& host_pack() {
  static const std::string kBytes = make_pack(host_request());
  return kBytes;
}

TEST_CASE("an engine with nothing but a pack gives the compiler's tokens and compiles nothing") {
  if (runnable_host_targets().empty()) return;
  const TestFile file(host_pack());
  const Data data;
  const std::shared_ptr<KernelSource> jit = make_jit();
  for (bool logprob : {false, true}) {
    EngineStats stats;
    const Sampled packed = sample_with(open_pack(file.path()), data, logprob, &stats);
    CHECK(stats.compiles == 0);
    CHECK(stats.ready_made > 0);
    CHECK(packed.token == sample_with(jit, data, logprob).token);
  }
}

TEST_CASE("every variant that this machine runs gives the compiler's tokens") {
  const Data data;
  const std::shared_ptr<KernelSource> jit = make_jit();
  const Sampled expected = sample_with(jit, data, true);
  for (const Target& target : runnable_host_targets()) {
    INFO(target.str());
    PackRequest request = host_request();
    request.targets = {target};
    const TestFile file(make_pack(request));
    const Sampled packed = sample_with(open_pack(file.path()), data, true);
    CHECK(packed.token == expected.token);
    for (size_t i = 0; i < packed.logprob.size(); ++i)
      CHECK(packed.logprob[i] == doctest::Approx(expected.logprob[i]).epsilon(1e-5));
  }
}

TEST_CASE("the best variant is taken, or the one that the plan names") {
  const std::vector<Target> runnable = runnable_host_targets();
  if (runnable.empty()) return;
  const TestFile file(host_pack());
  const auto pack = open_pack(file.path());
  PackRequest request = host_request();
  KernelPlan plan = plan_pack(request).front().plan;
  plan.target = Target::parse("host");
  CHECK(pack->get(plan).target == runnable.front().str());
  for (const Target& target : runnable) {
    plan.target = target;
    CHECK(pack->get(plan).target == target.str());
  }
  plan.target = Target::parse("host:sapphirerapids");
  CHECK_FALSE(pack->find(plan).has_value());
  CHECK(error_of([&] { pack->get(plan); }).code() == ErrorCode::device_unavailable);
}

TEST_CASE("a pack says what it has and what was asked for") {
  if (runnable_host_targets().empty()) return;
  PackRequest request = host_request();
  request.feature_sets = {kNoFeatures};
  const TestFile file(make_pack(request));
  const Data data;
  const std::shared_ptr<Engine> engine = bare_engine(open_pack(file.path()));
  const auto prepare = [&](LmHeadOptions options, Features features, const void* weights) {
    return error_of([&] { LmHead(engine, options, weights).prepare(1, {features}); });
  };
  Error error = prepare(request.head, feature_logprob, data.weights());
  CHECK(error.code() == ErrorCode::usage);
  CHECK(contains(error, "features logprob, which the pack does not have"));
  CHECK(contains(error, "features token; batches up to 8"));
  LmHeadOptions other = request.head;
  other.vocab_size = 1000;
  CHECK(contains(prepare(other, kNoFeatures, data.weights()), "asked for was 1000 x 72"));
  other = request.head;
  other.noise = NoiseScheme::per_token;
  CHECK(contains(prepare(other, kNoFeatures, data.weights()), "noise per_token"));
  other = request.head;
  other.schedule = Schedule::parse("host:b1,v512");
  CHECK(contains(prepare(other, kNoFeatures, data.weights()),
                 "its schedules for this Program are host:b4,v256"));
  // On the CPU the address does not matter, but the distance between rows does.
  CHECK_NOTHROW(LmHead(engine, request.head, data.weights() + 1).prepare(1, {kNoFeatures}));
  error = error_of([&] {
    LmHead(engine, request.head, data.weights(), request.head.hidden_size + 1).prepare(1, {kNoFeatures});
  });
  CHECK(contains(error, "multiples of 16 bytes; these are of 2"));

  KernelPlan gpu = plan_pack(request).front().plan;
  gpu.target = Target::parse("sm_80");
  error = error_of([&] { open_pack(file.path())->get(gpu); });
  CHECK(error.code() == ErrorCode::device_unavailable);
  CHECK(contains(error, "no kernels for 'sm_80'"));
}

TEST_CASE("a pack serves heads of every type of tokens that it was made for") {
  PackRequest request = host_request();
  request.targets = {Target::parse("sm_80")};
  request.feature_sets = {kNoFeatures};
  request.max_rows = 1;
  LmHeadOptions wide = request.head;
  wide.token_dtype = DType::i64;
  const KernelPlan narrow_plan = plan_pack(request).front().plan;
  const KernelPlan wide_plan = make_plan(lm_head_program(wide, kNoFeatures), narrow_plan.problem,
                                         narrow_plan.schedule, narrow_plan.target);
  const auto output = [](const KernelArtifact& artifact) { return artifact.launch.outputs[0].dtype; };
  const TestFile narrow(make_pack(request));
  CHECK(output(open_pack(narrow.path())->get(narrow_plan)) == DType::i32);
  const Error error = error_of([&] { open_pack(narrow.path())->get(wide_plan); });
  CHECK(contains(error, "tokens i64, noise grouped, features token, which the pack does not have"));
  CHECK(contains(error, "hidden states bf16; tokens i32; noise"));

  request.token_dtypes = {DType::i32, DType::i64};
  const TestFile both(make_pack(request));
  const auto pack = open_pack(both.path());
  CHECK(pack->description().token_dtypes == request.token_dtypes);
  CHECK(output(pack->get(narrow_plan)) == DType::i32);
  CHECK(output(pack->get(wide_plan)) == DType::i64);
  std::vector<DType> entries;
  for (const PackEntry& entry : pack->entries()) entries.push_back(entry.token_dtype);
  CHECK(entries == request.token_dtypes);
  CHECK(pack->schedules(wide_plan.program, wide_plan.problem, wide_plan.target)->size() == 1);
}

TEST_CASE("a schedule that the pack lacks is replaced by one that it has, with a note") {
  if (runnable_host_targets().empty()) return;
  PackRequest request = host_request();
  request.head.schedule = Schedule::parse("host:b2,v512");
  request.max_rows = 1;
  const TestFile file(make_pack(request));
  const Data data;
  const std::shared_ptr<Engine> engine = bare_engine(open_pack(file.path()));
  LmHead head(engine, host_request().head, data.weights());
  head.prepare(8);  // also buckets beyond the pack's: its kernels take any number of rows
  for (const KernelChoice& choice : head.choices()) {
    CHECK(choice.schedule == "host:b2,v512");
    CHECK(choice.rule == "what the source has");
    CHECK(choice.note.find("does not have 'host:b4,v256'") != std::string::npos);
  }
  CHECK(sample(head, *engine, data, 8, false).token == sample_with(make_jit(), data, false).token);
}

TEST_CASE("weights that are aligned better than the pack's are served") {
  if (runnable_host_targets().empty()) return;
  PackRequest request = host_request();
  request.head.hidden_size = 71;  // dense rows are aligned to 2 bytes
  const TestFile file(make_pack(request));
  const Data data;
  const std::shared_ptr<Engine> engine = bare_engine(open_pack(file.path()));
  LmHead head(engine, request.head, data.weights(), kPackHidden);  // rows of 144 bytes
  head.prepare(1);
  CHECK(engine->stats().ready_made == 1);
}

TEST_CASE("a chain takes what the first source has and makes the rest") {
  if (runnable_host_targets().empty()) return;
  PackRequest request = host_request();
  request.feature_sets = {kNoFeatures};
  const TestFile file(make_pack(request));
  const Data data;
  const auto chain = make_chain({open_pack(file.path()), nullptr, make_jit()});
  EngineStats stats;
  sample_with(chain, data, true, &stats);
  CHECK(stats.ready_made == 1);
  CHECK(stats.compiles == 1);
  CHECK_FALSE(chain->schedules({}, {}, {}).has_value());
  CHECK_FALSE(chain->identity({}).empty());

  KernelPlan gpu = plan_pack(request).front().plan;
  gpu.target = Target::parse("sm_80");
  const Error error = error_of([&] {
    make_chain({open_pack(file.path()), open_pack(file.path())})->get(gpu);
  });
  CHECK(contains(error, "no kernels for 'sm_80'"));
  CHECK(error_of([] { make_chain({})->get({}); }).code() == ErrorCode::usage);
}

TEST_CASE("a chain passes over a kernel that is damaged, unless nobody else has it") {
  PackRequest request = host_request();
  request.targets = {Target::parse("sm_80")};
  request.feature_sets = {kNoFeatures};
  request.max_rows = 1;
  const KernelPlan plan = plan_pack(request).front().plan;
  const std::string whole = make_pack(request);
  std::string bytes = whole;
  bytes.back() = static_cast<char>(~bytes.back());
  const TestFile damaged(bytes);
  const TestFile good(whole);
  CHECK_FALSE(make_chain({open_pack(damaged.path()), make_jit()})->get(plan).ready_made);
  CHECK(make_chain({open_pack(damaged.path()), open_pack(good.path())})->get(plan).ready_made);
  CHECK(make_chain({open_pack(damaged.path()), open_pack(good.path())})->find_ptx(plan).has_value());
  const auto only_damaged = make_chain({open_pack(damaged.path()), open_pack(damaged.path())});
  const Error error = error_of([&] { only_damaged->get(plan); });
  CHECK(error.code() == ErrorCode::bad_data);
  CHECK(contains(error, damaged.path().string()));
  REQUIRE(error.notes().size() == 1);
  CHECK(error.notes()[0].find("damaged") != std::string::npos);
  CHECK(error_of([&] { only_damaged->find_ptx(plan); }).code() == ErrorCode::bad_data);
}

TEST_CASE("GPU packs hold what each known card would choose; cubins go first, PTX stays behind them") {
  PackRequest request = host_request();
  request.head.vocab_size = 151936;
  request.head.hidden_size = 4096;
  request.max_rows = 256;
  request.targets = {Target::parse("sm_90a")};
  request.feature_sets = {kNoFeatures};
  const TestFile file(make_pack(request, "cubin"));
  const auto pack = open_pack(file.path());
  const Program program = lm_head_program(request.head, kNoFeatures);
  Problem problem{151936, 4096, 1, 16, 0};
  for (int64_t end : batch_buckets(256)) {
    problem.max_rows = end;
    const auto offered = pack->schedules(program, problem, request.targets[0]);
    REQUIRE(offered.has_value());
    const std::pair<int, double> cards[] = {{132, 3.35e12}, {132, 4.8e12}, {114, 2.0e12}, {78, 4.0e12}};
    for (const auto& [workers, rate] : cards) {
      const Schedule wanted = default_schedule(program, problem, request.targets[0], {workers, rate});
      CHECK(std::find(offered->begin(), offered->end(), wanted) != offered->end());
      const KernelPlan plan = make_plan(program, problem, wanted, request.targets[0]);
      CHECK(pack->get(plan).format == KernelArtifact::Format::cubin);
      CHECK(pack->get(plan).code == "cubin");
      const auto ptx = pack->find_ptx(plan);
      REQUIRE(ptx.has_value());
      CHECK(ptx->format == KernelArtifact::Format::ptx);
      CHECK(ptx->code.find(".target sm_90a") != std::string::npos);
    }
  }
  CHECK(pack->schedules(program, problem, Target::parse("sm_80"))->empty());
  request.targets = {Target::parse("sm_90")};
  CHECK(contains(error_of([&] { plan_pack(request); }), "give sm_90a"));
  request.targets = {Target::parse("host:znver4")};
  CHECK(contains(error_of([&] { plan_pack(request); }), "host:znver4"));
}

/// A device that refuses every cubin.
class PickyBackend : public engine::Backend {
 public:
  std::unique_ptr<const engine::LoadedKernel> load(KernelArtifact artifact) override {
    if (artifact.format == KernelArtifact::Format::cubin)
      throw Error(ErrorCode::device_unavailable, "no kernel image");
    ++loads;
    return nullptr;
  }
  void* allocate(size_t /*bytes*/) override { return nullptr; }
  void release(void* /*memory*/) override {}
  void copy_to_device(void* /*to*/, const void* /*from*/, size_t /*bytes*/) override {}
  void copy_to_host(void* /*to*/, const void* /*from*/, size_t /*bytes*/) override {}
  void synchronize(StreamHandle /*stream*/) override {}
  Engine::Timing time(const std::function<Status(StreamHandle)>& /*launch*/, int /*repeats*/,
                      int /*warmup*/) override {
    return {};
  }
  int loads = 0;
};

TEST_CASE("where the device refuses a pack's cubin the PTX behind it is loaded") {
  PackRequest request = host_request();
  request.max_rows = 1;
  request.targets = {Target::parse("sm_80")};
  request.feature_sets = {kNoFeatures};
  const KernelPlan plan = plan_pack(request).front().plan;
  const TestFile both(make_pack(request, "cubin"));
  PickyBackend backend;
  std::vector<std::string> messages;
  std::string taken;
  engine::KernelLoader loader(backend, open_pack(both.path()), nullptr,
                              [&](LogLevel level, std::string_view message) {
                                if (level == LogLevel::warning)
                                  messages.emplace_back(message);
                                else
                                  taken = message;
                              });
  loader.load(plan);
  CHECK(taken.ends_with("from a pack"));
  CHECK(backend.loads == 1);
  CHECK(loader.stats().ready_made == 1);
  CHECK(loader.stats().compiles == 0);
  REQUIRE(messages.size() == 1);
  CHECK(messages[0].find("no kernel image") != std::string::npos);

  PackWriter cubin_only(request, "test");
  KernelArtifact artifact = open_pack(both.path())->get(plan);
  cubin_only.add(plan_pack(request).front(), artifact);
  const TestFile alone(cubin_only.bytes());
  engine::KernelLoader strict(backend, open_pack(alone.path()), nullptr, {});
  CHECK(contains(error_of([&] { strict.load(plan); }), "no kernel image"));

  PickyBackend another;
  engine::KernelLoader with_compiler(another, make_chain({open_pack(alone.path()), make_jit()}), nullptr, {});
  with_compiler.load(plan);
  CHECK(another.loads == 1);
}

}  // namespace
}  // namespace gumtile::test
