#pragma once

/// The `gumtile` command as a function of the libgumtile that wheels carry, so that library and command share
/// one copy of the compiler. Arguments and exit code are those of `main`. Not part of the C interface.
extern "C" int gumtile_command(int argc, char** argv);
