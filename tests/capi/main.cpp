#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>
#include <string_view>

#include "tests/capi/fixture.h"

/// GUMTILE_TEST_DEVICE=cpu (the default) or cuda:0. If the GPU is missing, the tests are skipped with a
/// message.
int main(int argc, char** argv) {
  if (std::string_view(gumtile::test::test_device()) != "cpu") {
    gumtile_engine_options options = gumtile::test::engine_options();
    gumtile_engine* engine = nullptr;
    if (gumtile_engine_open(&options, &engine) == GUMTILE_DEVICE_UNAVAILABLE) {
      std::printf("skipped: there is no GPU to run these tests on: %s\n", gumtile_last_error());
      return 0;
    }
    gumtile_engine_close(engine);
  }
  return doctest::Context(argc, argv).run();
}
