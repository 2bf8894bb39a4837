#include "python/command.h"

/// tools/main.cpp's `main`, which the build gives this name (cmake/GumtilePython.cmake).
int gumtile_command_main(int argc, char** argv);

extern "C" __attribute__((visibility("default"))) int gumtile_command(int argc, char** argv) {
  return gumtile_command_main(argc, argv);
}
