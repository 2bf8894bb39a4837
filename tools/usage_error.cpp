#include "tools/usage_error.h"

#include <fmt/format.h>

#include <string>
#include <vector>

#include "tools/help.h"
#include "tools/suggestion.h"
#include "tools/units.h"

namespace gumtile::tools {
namespace {

std::vector<std::string> commands_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command :
       app.get_subcommands([](const CLI::App* c) { return !c->get_group().empty(); }))
    names.push_back(command->get_name());
  return names;
}

std::vector<std::string> options_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_group().empty()) continue;
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    for (const std::string& name : option->get_snames()) names.push_back("-" + name);
  }
  return names;
}

/// An error about a word that no option or argument takes.
std::string about_extra(const CLI::App& app, const std::string& word) {
  if (word.size() > 1 && word.starts_with('-')) {
    const std::string name = word.substr(0, word.find('='));
    return fmt::format("unknown option '{}'{}", name, did_you_mean(name, options_of(app)));
  }
  if (!commands_of(app).empty()) return unknown_command(app, word).what();
  return fmt::format("unexpected argument '{}'; '{}' takes options alone", word, command_path(app));
}

/// The option that an error of CLI11 begins with; null if it begins with none.
const CLI::Option* find_option(const CLI::App& app, std::string_view message) {
  const std::string name(message.substr(0, message.find_first_of(": ")));
  for (const CLI::Option* option : app.get_options())
    if (option->get_name() == name) return option;
  return nullptr;
}

std::string about(const CLI::App& app, const CLI::ParseError& error) {
  const std::string message = error.what();
  const CLI::Option* option = find_option(app, message);
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr && option != nullptr) {
    if (option->count() > 1) return fmt::format("{} is given {} times", option->get_name(), option->count());
    const std::string type = option->get_type_name();
    return fmt::format("{} needs a value: {}", option->get_name(), type.substr(0, type.find(":{")));
  }
  if (dynamic_cast<const CLI::RequiredError*>(&error) != nullptr) {
    if (option == nullptr)
      return fmt::format("'{}' needs a command: {}", command_path(app), joined(commands_of(app)));
    return fmt::format("{} is missing", option->get_name());
  }
  if (dynamic_cast<const CLI::ExcludesError*>(&error) != nullptr && option != nullptr) {
    const std::string_view other = std::string_view(message).substr(message.rfind(' ') + 1);
    return fmt::format("{} and {} exclude each other", option->get_name(), other);
  }
  return message;
}

}  // namespace

const CLI::App& parsed_command(const CLI::App& root) {
  const CLI::App* app = &root;
  while (!app->get_subcommands().empty()) app = app->get_subcommands().back();
  return *app;
}

Error unknown_command(const CLI::App& app, std::string_view word) {
  const std::vector<std::string> known = commands_of(app);
  if (known.empty())
    return Error(ErrorCode::usage,
                 fmt::format("'{}' is one word too many: '{}' has no commands", word, app.get_name()));
  const std::string meant = did_you_mean(word, known);
  return Error(ErrorCode::usage, fmt::format("unknown command '{}'{}", word,
                                             meant.empty() ? "; known are " + joined(known, "and") : meant));
}

Error usage_error(const CLI::App& root, const CLI::ParseError& error) {
  // Words that nothing takes explain what is missing; they belong to the command that they were given to.
  const CLI::App& last = parsed_command(root);
  const bool explains = dynamic_cast<const CLI::ExtrasError*>(&error) != nullptr ||
                        dynamic_cast<const CLI::RequiredError*>(&error) != nullptr;
  for (const CLI::App* app = &last; explains && app != nullptr; app = app->get_parent())
    if (const std::vector<std::string> words = app->remaining(); !words.empty())
      return Error(ErrorCode::usage, about_extra(*app, words.front()));
  return Error(ErrorCode::usage, about(last, error));
}

Error with_hint(const CLI::App& root, const Error& error) {
  if (error.code() != ErrorCode::usage) return error;
  std::vector<std::string> notes = error.notes();
  notes.push_back(fmt::format("see: {} --help", command_path(parsed_command(root))));
  return Error(error.code(), error.what(), std::move(notes));
}

}  // namespace gumtile::tools
