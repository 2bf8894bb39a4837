#include <fmt/format.h>

#include <exception>
#include <memory>
#include <new>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "gumtile/error.h"
#include "gumtile/version.h"
#include "tools/bus_error.h"
#include "tools/command.h"
#include "tools/help.h"
#include "tools/output.h"
#include "tools/termination.h"
#include "tools/usage_error.h"

namespace gumtile::tools {
namespace {

/// Prints an error as the command shows it, the notes indented below, and returns the exit code.
int report(const Error& error) {
  std::string text = fmt::format("gumtile: {}\n", error.what());
  for (const std::string& note : error.notes()) text += indented(note, 2);
  write_stderr(text);
  return static_cast<int>(error.code() == ErrorCode::context_lost ? ErrorCode::device_unavailable
                                                                  : error.code());
}

/// `gumtile help [COMMAND...]`
Action add_help(CLI::App& app) {
  auto words = std::make_shared<std::vector<std::string>>();
  app.add_option("command", *words, "the command to explain")->type_name("COMMAND");
  return [&app, words] {
    const CLI::App* about = app.get_parent();
    for (const std::string& word : *words) {
      const auto found = about->get_subcommands(
          [&](const CLI::App* c) { return c->get_name() == word && !c->get_group().empty(); });
      if (found.empty()) throw unknown_command(*about, word);
      about = found.front();
    }
    write_stdout(help_text(*about));
    return 0;
  };
}

using Commands = std::vector<std::pair<CLI::App*, Action>>;

Commands add_commands(CLI::App& app) {
  Commands commands;
  const auto add = [&](const char* name, const char* description, Action (*register_options)(CLI::App&)) {
    CLI::App* command = app.add_subcommand(name, description);
    commands.emplace_back(command, register_options(*command));
  };
#define X(name, description) add(#name, description, add_##name);
  GUMTILE_COMMANDS(X)
#undef X
  add("help", "Show the options of a command", add_help);
  return commands;
}

/// The command line's words in the order that CLI11 needs, last first. "--option=" is an option with an empty
/// value: CLI11 would take the next word as its value.
std::vector<std::string> words_of(int argc, char** argv) {
  std::vector<std::string> words;
  for (int i = argc - 1; i > 0; --i) {
    std::string word = argv[i];
    if (word.size() > 3 && word.starts_with("--") && word.find('=') == word.size() - 1) {
      words.emplace_back();
      word.pop_back();
    }
    words.push_back(std::move(word));
  }
  return words;
}

/// The text that --help or --version requests; empty if a command is to be run. Throws Error(usage).
std::string parse(CLI::App& app, int argc, char** argv) {
  try {
    app.parse(words_of(argc, argv));
  } catch (const CLI::CallForHelp&) {
    return help_text(parsed_command(app));
  } catch (const CLI::CallForVersion& version) {
    return fmt::format("{}\n", version.what());
  } catch (const CLI::ParseError& error) {
    throw usage_error(app, error);
  }
  return {};
}

int run(int argc, char** argv) {
  CLI::App app{"Tile compiler and runtime for the sampling heads of language models", "gumtile"};
  app.set_help_flag("-h,--help", "print this help");
  app.set_version_flag("-V,--version", std::string("gumtile ") + GUMTILE_VERSION_STRING, "print the version");
  app.require_subcommand(1);
  const Commands commands = add_commands(app);
  // Set last: subcommands would inherit it.
  app.footer(
      "'gumtile help COMMAND' explains a command.\n\n"
      "Exit codes: 0 ok, 1 a check failed, 64 usage, 65 bad data, 69 device or tool unavailable, 70 a fault "
      "of gumtile, 73 output cannot be written, 74 input cannot be read, 130 interrupted.");
  if (argc <= 1) {
    write_stderr(help_text(app) + "\n");
    throw Error(ErrorCode::usage, "no command given");
  }
  try {
    if (const std::string text = parse(app, argc, argv); !text.empty()) {
      write_stdout(text);
      return 0;
    }
    for (const auto& [command, action] : commands)
      if (command->parsed()) return action();
  } catch (const Error& error) {
    throw with_hint(app, error);
  }
  return static_cast<int>(ErrorCode::internal);
}

int run_reporting_errors(int argc, char** argv) {
  try {
    end_programs_with_command();
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
  gumtile::tools::prepare_streams();
  gumtile::tools::install_bus_error_handler();
  try {
    return gumtile::tools::run_reporting_errors(argc, argv);
  } catch (...) {  // reporting also failed
    return static_cast<int>(gumtile::ErrorCode::internal);
  }
}
