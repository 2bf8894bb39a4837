#pragma once

#include <CLI/CLI.hpp>
#include <functional>

/// The `gumtile` command. Every subcommand registers its options with CLI11 and returns the function that
/// runs it; failures are `Error`s, whose code is the exit code. Results go to stdout, complete or, if they
/// take long, row by row; everything else goes to stderr.
namespace gumtile::tools {

/// Runs a subcommand with the options that were parsed; returns the exit code.
using Action = std::function<int()>;

/// The subcommands in the order of the help, each with a line that says what it does. `add_NAME` is in the
/// file of that name.
#define GUMTILE_COMMANDS(X)                                                                 \
  X(doctor, "Show what gumtile finds on this machine and check that it computes correctly") \
  X(sample, "Sample tokens from hidden states and an LM head")                              \
  X(bench, "Measure the sampling LM head against the machine's own limits")                 \
  X(tune, "Find the fastest schedules for this machine and record them")                    \
  X(compile, "Compile kernels into a pack, for applications without a compiler")            \
  X(inspect, "Show a stage of compilation, or a pack; needs no GPU")                        \
  X(cache, "Show or clear the compiled kernels that are kept on disk")                      \
  X(completion, "Print a script that completes the command in bash, zsh or fish")           \
  X(worker, "A helper process of gumtile tune") /* hidden */

#define X(name, description) Action add_##name(CLI::App& app);
GUMTILE_COMMANDS(X)
#undef X

}  // namespace gumtile::tools
