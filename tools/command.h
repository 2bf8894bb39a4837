#pragma once

#include <CLI/CLI.hpp>
#include <functional>

/// The `gumtile` command. Every subcommand registers its options with CLI11 and returns what runs it;
/// failures are `Error`s, whose code is the exit code. Results go to stdout, once and complete or, if they
/// take long, row by row; all else to stderr.
namespace gumtile::tools {

/// Runs a subcommand with the options that were parsed; returns the exit code.
using Action = std::function<int()>;

Action add_doctor(CLI::App& app);
Action add_sample(CLI::App& app);
Action add_inspect(CLI::App& app);
Action add_bench(CLI::App& app);
Action add_cache(CLI::App& app);
Action add_completion(CLI::App& app);
Action add_compile(CLI::App& app);
Action add_tune(CLI::App& app);
Action add_worker(CLI::App& app);  ///< the tuner's helper processes (tools/tune/worker.h)

}  // namespace gumtile::tools
