// Streams, contexts and pointers of a GPU.
#include <doctest/doctest.h>

#include <memory>
#include <thread>

#include "tests/capi/gpu_fixture.h"

namespace gumtile::test {
namespace {

using Tokens = std::vector<std::int32_t>;

TEST_CASE("many threads on many streams") {
  Prepared prepared(32);
  constexpr std::size_t kThreads = 8;
  CurrentGpu gpu;
  std::vector<std::unique_ptr<Batch>> batches;
  std::vector<std::unique_ptr<cuda::Stream>> streams;
  std::vector<Tokens> expected;
  for (std::size_t i = 0; i < kThreads; ++i) {
    const auto rows = static_cast<std::int64_t>(4 * i + 1);
    batches.push_back(std::make_unique<Batch>(prepared.engine, rows, prepared.head.workspace_size(rows),
                                              static_cast<std::uint32_t>(i)));
    prepared.init(*batches.back());
    expected.push_back(batches.back()->sample(prepared.engine, prepared.head));
    batches.back()->token.write(Tokens(batches.back()->count, Batch::kUntouched));
    streams.push_back(std::make_unique<cuda::Stream>(gpu.driver()));
  }
  std::vector<int> failures(kThreads);
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < kThreads; ++i)
    threads.emplace_back([&, i] {  // no context is current on these threads
      for (int repeat = 0; repeat < 200; ++repeat)
        failures[i] += prepared.head.sample(streams[i]->handle(), batches[i]->args) != GUMTILE_OK;
    });
  for (std::thread& thread : threads) thread.join();
  for (std::size_t i = 0; i < kThreads; ++i) {
    streams[i]->synchronize();
    CHECK(failures[i] == 0);
    CHECK(batches[i]->token.read() == expected[i]);
  }
}

TEST_CASE("the caller's current context can be used, and is asked for where there is none") {
  CurrentGpu gpu;
  embed::EngineOptions options = engine_options();
  options.flags |= GUMTILE_ENGINE_CURRENT_CONTEXT;
  Prepared prepared(4, {0, GUMTILE_FEATURE_LOGPROB}, options);
  Batch batch = prepared.batch(4);
  prepared.init(batch);
  CHECK(batch.sample(prepared.engine, prepared.head).front() >= 0);
  std::thread([&] {
    std::string message;
    CHECK(status_of([&] { embed::Engine engine(options); }, &message) == GUMTILE_USAGE);
    CHECK(has(message, "there is none"));
  }).join();
}

TEST_CASE("a call leaves the thread's context as it was") {
  Prepared prepared(2);
  Batch batch = prepared.batch(2);
  prepared.init(batch);
  batch.sample(prepared.engine, prepared.head);
  cuda::CUcontext current = reinterpret_cast<cuda::CUcontext>(1);
  CHECK(cuda::Driver::require().cuCtxGetCurrent(&current) == cuda::CUresult::success);
  CHECK(current == nullptr);
}

TEST_CASE("host and foreign pointers are named") {
  Prepared prepared(4);
  Batch batch = prepared.batch(4);
  std::vector<std::int32_t> host(4);
  embed::SampleArgs args = batch.args;
  args.token = host.data();
  args.seed = nullptr;
  std::string message;
  CHECK(status_of([&] { prepared.head.validate(args); }, &message) == GUMTILE_INVALID_ARGUMENT);
  CHECK(has(message, "token: "));
  CHECK(has(message, "ordinary host memory"));
  CHECK(!has(message, "seed"));
  // Too short for the given number of slots.
  CHECK(status_of([&] { prepared.head.validate(batch.args, 1 << 20); }, &message) ==
        GUMTILE_INVALID_ARGUMENT);
  CHECK(has(message, "its allocation ends"));
  CHECK(status_of([&] { prepared.head.set_weights(host.data()); }, &message) == GUMTILE_USAGE);
  CHECK(has(message, "ordinary host memory"));
  const std::vector<std::uint16_t> weights(kVocab * kHidden);
  CHECK(status_of([&] { embed::Head(prepared.engine, head_options(weights.data())); }, &message) ==
        GUMTILE_USAGE);

  std::string why_not;
  if (cuda::list_devices(&why_not).size() < 2) {
    MESSAGE("memory of another device is not tested: there is one GPU");
    return;
  }
  embed::Engine other("cuda:1");
  const Array<std::int32_t> foreign(other, 4);
  args.token = foreign.data();
  CHECK(status_of([&] { prepared.head.validate(args); }, &message) == GUMTILE_INVALID_ARGUMENT);
  CHECK(has(message, "is memory of device cuda:1"));
}

TEST_CASE("mapped pinned memory serves as parameters and outputs") {
  Prepared prepared(4);
  CurrentGpu gpu;
  Batch batch = prepared.batch(4);
  prepared.init(batch);
  const Tokens expected = batch.sample(prepared.engine, prepared.head);
  void* pinned = nullptr;
  REQUIRE(gpu.driver().cuMemAllocHost(&pinned, 4096) == cuda::CUresult::success);
  auto* const seeds = static_cast<std::uint64_t*>(pinned);
  auto* const tokens = reinterpret_cast<std::int32_t*>(seeds + 4);
  for (std::uint64_t row = 0; row < 4; ++row) seeds[row] = 100 + row;
  batch.args.seed = seeds;
  batch.args.token = tokens;
  prepared.head.validate(batch.args);
  embed::check(prepared.head.sample(nullptr, batch.args));
  prepared.engine.synchronize();
  CHECK(Tokens(tokens, tokens + 4) == expected);
  gpu.driver().cuMemFreeHost(pinned);
}

}  // namespace
}  // namespace gumtile::test
