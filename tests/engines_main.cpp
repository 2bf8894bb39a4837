#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cstdlib>
#include <string_view>

#include "tests/harness.h"

/// GUMTILE_TEST_DEVICE=cpu or cuda:0 runs the tests on that device only; unset, on all devices. If the
/// requested GPU is missing, the tests are skipped with a message.
int main(int argc, char** argv) {
  const char* device = std::getenv("GUMTILE_TEST_DEVICE");
  if (device && std::string_view(device) == "cuda:0" && !gumtile::test::gpu_engine()) {
    fmt::print("skipped: there is no GPU to run these tests on\n");
    return 0;
  }
  return doctest::Context(argc, argv).run();
}
