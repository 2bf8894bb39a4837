#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <new>
#include <system_error>
#include <utility>
#include <vector>

#include "gumtile/error.h"
#include "gumtile/version.h"
#include "tools/bus_error.h"
#include "tools/command.h"
#include "tools/output.h"

namespace gumtile::tools {
namespace {

/// Prints an error as the command shows it, the notes indented below, and returns the exit code.
int report(const Error& error) {
  std::string text = fmt::format("gumtile: {}\n", error.what());
  for (const std::string& note : error.notes()) text += indented(note, 2);
  std::fputs(text.c_str(), stderr);
  return static_cast<int>(error.code() == ErrorCode::context_lost ? ErrorCode::device_unavailable
                                                                  : error.code());
}

int run(int argc, char** argv) {
  CLI::App app{"Tile compiler and runtime for the sampling heads of language models", "gumtile"};
  app.set_version_flag("--version", std::string("gumtile ") + GUMTILE_VERSION_STRING);
  app.require_subcommand(1);
  app.footer(
      "Exit codes: 0 ok, 1 a check failed, 64 usage, 65 bad data, 69 device or tool unavailable, 70 a fault "
      "of\n"
      "gumtile, 73 output cannot be written, 74 input cannot be read, 130 interrupted.");

  std::vector<std::pair<CLI::App*, Action>> commands;
  const auto add = [&](const char* name, const char* description, Action (*register_options)(CLI::App&)) {
    CLI::App* command = app.add_subcommand(name, description);
    commands.emplace_back(command, register_options(*command));
  };
  add("doctor", "Show what gumtile finds on this machine and check that it computes correctly", add_doctor);
  add("sample", "Sample tokens from hidden states and an LM head", add_sample);
  add("inspect", "Show a stage of compilation, or a pack; needs no GPU", add_inspect);
  add("bench", "Measure the sampling LM head against the machine's own limits", add_bench);
  add("cache", "Show or clear the compiled kernels that are kept on disk", add_cache);
  add("completion", "Print a script that completes the command in bash, zsh or fish", add_completion);
  add("compile", "Compile kernels into a pack, for applications without a compiler", add_compile);
  add("tune", "Find the fastest schedules for this machine and record them", add_tune);
  add("worker", "A helper process of gumtile tune", add_worker);

  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (dynamic_cast<const CLI::RequiredError*>(&error) != nullptr && app.get_subcommands().empty()) {
      const std::vector<std::string> rest = app.remaining();
      const std::string found =
          rest.empty() ? "no command given" : fmt::format("unknown command '{}'", rest.front());
      throw Error(ErrorCode::usage, found +
                                        "; known are doctor, sample, inspect, bench, tune, compile, cache "
                                        "and completion (gumtile --help)");
    }
    const bool success = error.get_exit_code() == 0;  // --help, --version
    app.exit(error);
    return success ? 0 : static_cast<int>(ErrorCode::usage);
  }
  for (const auto& [command, action] : commands)
    if (command->parsed()) return action();
  return static_cast<int>(ErrorCode::internal);
}

int run_reporting_errors(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const Error& error) {
    return report(error);
  } catch (const std::bad_alloc&) {
    return report(Error(ErrorCode::device_unavailable, "out of memory"));
  } catch (const std::exception& error) {
    const auto* of_system = dynamic_cast<const std::system_error*>(&error);
    if (of_system != nullptr && of_system->code() == std::errc::resource_unavailable_try_again)
      return report(Error(
          ErrorCode::device_unavailable,
          fmt::format("the system refuses another thread ({}); raise the limit on processes", error.what())));
    return report(Error(ErrorCode::internal, fmt::format("a fault of gumtile itself: {}", error.what())));
  }
}

}  // namespace
}  // namespace gumtile::tools

int main(int argc, char** argv) {
  gumtile::tools::install_bus_error_handler();
  try {
    return gumtile::tools::run_reporting_errors(argc, argv);
  } catch (...) {  // reporting failed, too
    return static_cast<int>(gumtile::ErrorCode::internal);
  }
}
