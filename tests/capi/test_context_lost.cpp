// A fault on the device, in a process of its own: from then on every call says so, and none hangs.
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>

#include "tests/capi/fixture.h"

namespace gumtile::test {
namespace {

/// The child's exit code: not 0, which it would also have if it ran nothing.
constexpr int kAsExpected = 17;

/// Prints and counts failed expectations.
int failures = 0;
void expect(bool holds, const char* what) {
  if (!holds) std::fprintf(stderr, "not so: %s (%s)\n", what, gumtile_last_error());
  failures += !holds;
}

TEST_CASE("context lost in a fresh process" * doctest::skip()) {
  alarm(60);
  Prepared prepared(4);
  Batch batch = prepared.batch(4);
  prepared.init(batch);
  batch.sample(prepared.engine, prepared.head);
  embed::SampleArgs wild = batch.args;
  wild.seed = reinterpret_cast<const std::uint64_t*>(std::uintptr_t{0x10000});  // mapped nowhere
  expect(prepared.head.sample(nullptr, wild) == GUMTILE_OK, "a launch does not know yet");
  std::string message;
  expect(status_of([&] { prepared.engine.synchronize(); }, &message) == GUMTILE_CONTEXT_LOST,
         "waiting says what is lost");
  expect(has(message, "CUDA_ERROR"), "with the driver's words");
  for (int i = 0; i < 3; ++i) {
    expect(prepared.head.sample(nullptr, batch.args) == GUMTILE_CONTEXT_LOST, "later launches are told");
    expect(has(gumtile_last_error(), "unusable"), "in words");
  }
  expect(gumtile_head_workspace_init(prepared.head.get(), nullptr, batch.args.workspace,
                                     batch.args.workspace_bytes) == GUMTILE_CONTEXT_LOST,
         "the workspace is told");
  const auto is_lost = [&](const auto& call, const char* what) {
    expect(status_of(call, &message) == GUMTILE_CONTEXT_LOST, what);
    expect(has(message, "the process has to end"), what);
  };
  is_lost([&] { prepared.engine.synchronize(); }, "waiting again");
  is_lost([&] { prepared.engine.allocate(1024); }, "allocating");
  is_lost([&] { batch.token.read(); }, "copying to the host");
  is_lost([&] { batch.seed.write({1, 2, 3, 4}); }, "copying to the device");
  is_lost([&] { prepared.head.prepare(300); }, "preparing more");
  _exit(failures == 0 ? kAsExpected : 1);  // nothing can be released on the device
}

TEST_CASE("a fault on the device makes the context lost, without a retry and without a hang") {
  // An exec, not a bare fork: CUDA does not survive one.
  const pid_t child = fork();
  if (child == 0) {
    execl("/proc/self/exe", "test_capi_gpu", "--no-skip=1", "--no-version=1",
          "--test-case=context lost in a fresh process", nullptr);
    _exit(127);
  }
  int status = 0;
  waitpid(child, &status, 0);
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == kAsExpected);
}

}  // namespace
}  // namespace gumtile::test
