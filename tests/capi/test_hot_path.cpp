// What a launch costs the host: no allocation, no system call of ours, and how long it takes.
#include <doctest/doctest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <string>
#include <vector>

#include "tests/capi/counters.h"
#include "tests/capi/fixture.h"

namespace gumtile::test {
namespace {

TEST_CASE("the counters count") {
  const std::uint64_t before = allocations();
  void* volatile memory = std::malloc(10);
  std::free(memory);
  delete new std::string(100, 'x');
  CHECK(allocations() - before >= 3);
  std::uint64_t calls = 0;
  long first = 0;
  pid_t asked = 0;
  {
    const SyscallCounter counter;
    if (!counter.works()) return;
    asked = getppid();
    static_cast<void>(getppid());
    calls = counter.count();
    first = counter.first();
  }
  CHECK(calls == 2);
  CHECK(first == 110);
  CHECK(asked == getppid());
}

TEST_CASE("a launch allocates nothing, makes no system call, and its host time is told") {
  embed::EngineOptions options = engine_options();
  options.cpu_threads = 1;  // with more, a launch may wake and wait for threads: the promise is only for GPUs
  const bool gpu = std::string(test_device()) != "cpu";
  const std::vector<std::int64_t> batches =
      gpu ? std::vector<std::int64_t>{1, 4, 64, 512} : std::vector<std::int64_t>{1, 4, 64};
  Prepared prepared(batches.back(), {0, GUMTILE_FEATURE_LOGPROB}, options);
  for (const std::int64_t rows : batches) {
    Batch batch = prepared.batch(rows);
    prepared.init(batch);
    embed::SampleArgs plain = batch.args;
    plain.logprob = nullptr;
    for (int i = 0; i < 20; ++i)
      REQUIRE(prepared.head.sample(nullptr, i % 2 == 0 ? batch.args : plain) == GUMTILE_OK);
    prepared.engine.synchronize();

    constexpr int kLaunches = 200;
    std::vector<double> times_us(kLaunches);
    int failures = 0;
    const std::uint64_t before = allocations();
    for (int i = 0; i < kLaunches; ++i) {
      const auto start = std::chrono::steady_clock::now();
      failures += prepared.head.sample(nullptr, i % 2 == 0 ? batch.args : plain) != GUMTILE_OK;
      times_us[static_cast<std::size_t>(i)] =
          std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
    }
    const std::uint64_t allocated = allocations() - before;
    prepared.engine.synchronize();
    std::uint64_t calls = 0;
    long first = -1;
    bool counted = false;
    {
      const SyscallCounter counter;
      counted = counter.works();
      for (int i = 0; i < kLaunches; ++i)
        failures += prepared.head.sample(nullptr, i % 2 == 0 ? batch.args : plain) != GUMTILE_OK;
      calls = counter.count();
      first = counter.first();
    }
    prepared.engine.synchronize();
    std::nth_element(times_us.begin(), times_us.begin() + kLaunches / 2, times_us.end());
    const std::string text = std::string(prepared.engine.device().id) + ", " + std::to_string(rows) +
                             " rows: a launch takes " + std::to_string(times_us[kLaunches / 2]) +
                             " us of the host (median" + (gpu ? "" : "; the work itself") + "); " +
                             std::to_string(kLaunches) + " launches: " + std::to_string(allocated) +
                             " allocations, " + (counted ? std::to_string(calls) : "uncounted") +
                             " system calls" +
                             (calls > 0 ? ", the first is number " + std::to_string(first) : "");
    MESSAGE(text);
    CHECK(failures == 0);
    CHECK(allocated == 0);
    // The driver's launch makes none if its queue has room; otherwise that is up to the driver.
    if (gpu) {
      WARN(calls == 0);
    } else {
      CHECK(calls == 0);
    }
  }
}

TEST_CASE("refused launches cost nothing either") {
  Prepared prepared(2, {0});
  Batch batch = prepared.batch(2);
  const std::uint64_t before = allocations();
  const gumtile_status status = prepared.head.sample(nullptr, batch.args);
  const std::uint64_t allocated = allocations() - before;
  CHECK(status == GUMTILE_NOT_PREPARED);
  CHECK(allocated == 0);
}

}  // namespace
}  // namespace gumtile::test
