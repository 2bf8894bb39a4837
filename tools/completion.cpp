// Scripts that complete the command in a shell. They are generated from the description that parses the
// command line, so that no option can be missing.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <memory>
#include <string>
#include <vector>

#include "tools/command.h"
#include "tools/help.h"
#include "tools/output.h"
#include "tools/validators.h"

namespace gumtile::tools {
namespace {

struct Choice {
  std::string name;  ///< "--format"
  std::string description;
  bool takes_value = false;
  std::vector<std::string> values;  ///< all values that it accepts; empty: any
  std::string short_name;           ///< "-o", or nothing
};

/// A command or a subcommand of one.
struct Node {
  std::string path;  ///< "gumtile bench"
  std::vector<Choice> commands;
  std::vector<Choice> options;
  std::vector<std::string> arguments;  ///< values of positional arguments
};

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

std::vector<std::string> names_of(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::App* command :
       app.get_subcommands([](const CLI::App* c) { return !c->get_group().empty(); }))
    names.push_back(command->get_name());
  return names;
}

void describe(CLI::App& app, const std::string& path, std::vector<Node>& nodes) {
  Node node;
  node.path = path;
  for (const CLI::App* command : app.get_subcommands(nullptr))
    if (!command->get_group().empty())  // no group: hidden
      node.commands.push_back({command->get_name(), first_line(command->get_description()), false, {}, {}});
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_group().empty()) continue;
    if (option->get_positional()) {
      const std::vector<std::string> values =
          app.get_name() == "help" ? names_of(*app.get_parent()) : enumerated_values(*option);
      node.arguments.insert(node.arguments.end(), values.begin(), values.end());
      continue;
    }
    const std::string short_name = option->get_snames().empty() ? "" : "-" + option->get_snames().front();
    for (const std::string& name : option->get_lnames())
      node.options.push_back({"--" + name, first_line(option->get_description()),
                              option->get_items_expected_max() > 0, enumerated_values(*option), short_name});
  }
  nodes.push_back(std::move(node));
  for (CLI::App* command : app.get_subcommands(nullptr))
    if (!command->get_group().empty()) describe(*command, path + " " + command->get_name(), nodes);
}

std::vector<std::string> words_of(const Node& node) {
  std::vector<std::string> words = node.arguments;
  for (const Choice& command : node.commands) words.push_back(command.name);
  for (const Choice& option : node.options) words.push_back(option.name);
  return words;
}

/// Patterns of a shell's `case` on "COMMAND|PREVIOUS WORD", with what may follow.
std::string cases(const std::vector<Node>& nodes) {
  std::string text;
  for (const Node& node : nodes) {
    for (const Choice& option : node.options)
      if (option.takes_value)
        for (const std::string& name : {option.name, option.short_name})
          if (!name.empty())
            text +=
                fmt::format("    '{}|{}') known='{}' ;;\n", node.path, name, fmt::join(option.values, " "));
    text += fmt::format("    '{}|'*) known='{}' ;;\n", node.path, fmt::join(words_of(node), " "));
  }
  return text;
}

/// Patterns of the commands that have a path of more than one word.
std::string paths(const std::vector<Node>& nodes) {
  std::vector<std::string> patterns;
  for (const Node& node : nodes)
    if (node.path.find(' ') != std::string::npos) patterns.push_back("'" + node.path + "'");
  return fmt::format("{}", fmt::join(patterns, "|"));
}

std::string bash(const std::vector<Node>& nodes) {
  return fmt::format(R"(# bash completion of gumtile; made by `gumtile completion bash`.
_gumtile() {{
  local context=gumtile known='' word
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    case "$context $word" in {0}) context="$context $word" ;; esac
  done
  case "$context|${{COMP_WORDS[COMP_CWORD-1]}}" in
{1}  esac
  mapfile -t COMPREPLY < <(compgen -W "$known" -- "${{COMP_WORDS[COMP_CWORD]}}")
}}
complete -o bashdefault -o default -F _gumtile gumtile
)",
                     paths(nodes), cases(nodes));
}

std::string zsh(const std::vector<Node>& nodes) {
  return fmt::format(R"(#compdef gumtile
# zsh completion of gumtile; made by `gumtile completion zsh`.
_gumtile() {{
  local context=gumtile known='' word
  for word in ${{words[2,CURRENT-1]}}; do
    case "$context $word" in {0}) context="$context $word" ;; esac
  done
  case "$context|${{words[CURRENT-1]}}" in
{1}  esac
  if [[ -n $known ]]; then compadd -- ${{=known}}; else _files; fi
}}
if [[ ${{funcstack[1]}} == _gumtile ]]; then _gumtile "$@"; else compdef _gumtile gumtile; fi
)",
                     paths(nodes), cases(nodes));
}

std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

/// fish: whether the words typed so far name this command; if a subcommand of it follows, it is no longer the
/// command.
std::string fish_condition(const Node& node) {
  std::string condition;
  for (const std::string& word : CLI::detail::split(node.path, ' '))
    if (word != "gumtile") condition += "__fish_seen_subcommand_from " + word + "; and ";
  if (node.commands.empty()) return condition.substr(0, condition.size() - 6);
  condition += "not __fish_seen_subcommand_from";
  for (const Choice& command : node.commands) condition += " " + command.name;
  return condition;
}

std::string fish(const std::vector<Node>& nodes) {
  std::string text = "# fish completion of gumtile; made by `gumtile completion fish`.\n";
  for (const Node& node : nodes) {
    const std::string start = "complete -c gumtile -n " + quoted(fish_condition(node));
    for (const Choice& command : node.commands)
      text += fmt::format("{} -f -a {} -d {}\n", start, command.name, quoted(command.description));
    if (!node.arguments.empty())
      text += fmt::format("{} -f -a {}\n", start, quoted(fmt::format("{}", fmt::join(node.arguments, " "))));
    for (const Choice& option : node.options) {
      text += fmt::format("{} -l {}", start, option.name.substr(2));
      if (!option.short_name.empty()) text += fmt::format(" -s {}", option.short_name.substr(1));
      if (option.takes_value) text += option.values.empty() ? " -r" : " -x";
      if (!option.values.empty())
        text += fmt::format(" -a {}", quoted(fmt::format("{}", fmt::join(option.values, " "))));
      text += fmt::format(" -d {}\n", quoted(option.description));
    }
  }
  return text;
}

}  // namespace

Action add_completion(CLI::App& app) {
  const auto shell = std::make_shared<std::string>();
  app.add_option("shell", *shell, "the shell")
      ->type_name("SHELL")
      ->required()
      ->check(one_of({"bash", "zsh", "fish"}));
  app.footer(examples({"source <(gumtile completion bash)", "gumtile completion zsh > _gumtile"}));
  return [&app, shell] {
    std::vector<Node> nodes;
    describe(*app.get_parent(), "gumtile", nodes);
    const std::string script = *shell == "bash" ? bash(nodes) : *shell == "zsh" ? zsh(nodes) : fish(nodes);
    write_stdout(script);
    return 0;
  };
}

}  // namespace gumtile::tools
