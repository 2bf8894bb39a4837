// A child process must not use its parent's engine, and is told so.
#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/capi/fixture.h"

namespace gumtile::test {
namespace {

/// Runs `body` in a child with a watchdog, and returns the child's exit code; -1 if a signal ended it.
template <typename Body>
int exit_code_of_child(const Body& body) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(20);
    _exit(body());
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

TEST_CASE("a child is told that the engine is its parent's, does not hang, and may open one of its own") {
  auto prepared = std::make_unique<Prepared>(4);
  auto batch = std::make_unique<Batch>(prepared->engine, 4, prepared->head.workspace_size(4));
  prepared->init(*batch);
  const std::vector<std::int32_t> tokens = batch->sample(prepared->engine, prepared->head);

  const int code = exit_code_of_child([&] {
    if (prepared->head.sample(nullptr, batch->args) != GUMTILE_FORKED) return 2;
    if (!has(gumtile_last_error(), "parent")) return 3;
    if (gumtile_head_workspace_init(prepared->head.get(), nullptr, batch->args.workspace,
                                    batch->args.workspace_bytes) != GUMTILE_FORKED)
      return 4;
    std::string message;
    if (status_of([&] { prepared->engine.synchronize(); }, &message) != GUMTILE_DEVICE_UNAVAILABLE) return 5;
    if (!has(message, "forked")) return 6;
    if (status_of([&] { prepared->engine.allocate(1); }) == GUMTILE_OK) return 7;
    batch.reset();     // releases nothing on a device that is not this process's
    prepared.reset();  // waits for no thread
    return 0;
  });
  CHECK(code == 0);

#if !defined(__SANITIZE_THREAD__)             // ThreadSanitizer ends a child that starts threads
  if (std::string(test_device()) == "cpu") {  // CUDA itself does not survive a fork
    const int own = exit_code_of_child([] {
      Prepared mine(2);
      Batch rows = mine.batch(2);
      mine.init(rows);
      return rows.sample(mine.engine, mine.head).size() == 2 ? 0 : 1;
    });
    CHECK(own == 0);
  }
#endif
  CHECK(batch->sample(prepared->engine, prepared->head) == tokens);  // the parent is not affected
}

}  // namespace
}  // namespace gumtile::test
