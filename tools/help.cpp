#include "tools/help.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <vector>

#include "tools/units.h"
#include "tools/validators.h"

namespace gumtile::tools {
namespace {

constexpr size_t kLeastWidth = 40;

/// An entry of the help: what is typed, and what it means.
struct Entry {
  std::string name;
  std::string meaning;
};

/// The word that stands for an option's value, or for a positional argument.
std::string placeholder(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  return type.substr(0, type.find(":{"));
}

/// "-o, --output FILE"
std::string name_of(const CLI::Option& option) {
  if (option.get_positional()) return placeholder(option);
  std::string name;
  for (const std::string& short_name : option.get_snames()) name += fmt::format("-{}, ", short_name);
  if (name.empty()) name = "    ";
  for (const std::string& long_name : option.get_lnames()) name += fmt::format("--{}, ", long_name);
  name.resize(name.size() - 2);
  if (option.get_items_expected_max() > 0) name += " " + placeholder(option);
  return name;
}

/// The description, the values of an enumeration, and the default, which a description may end with.
std::string meaning_of(const CLI::Option& option) {
  std::string text = option.get_description();
  const std::vector<std::string> values = enumerated_values(option);
  if (!values.empty() && placeholder(option) != "DEVICE")  // the values of a device need a description
    text.insert(std::min(text.find(" (default: "), text.size()), ": " + joined(values));
  if (option.get_required() && !option.get_positional()) text += " (required)";
  if (!option.get_default_str().empty()) text += fmt::format(" (default: {})", option.get_default_str());
  return text;
}

std::vector<Entry> commands_of(const CLI::App& app) {
  std::vector<Entry> entries;
  for (const CLI::App* command :
       app.get_subcommands([](const CLI::App* c) { return !c->get_group().empty(); }))
    entries.push_back({command->get_name(), command->get_description()});
  return entries;
}

std::vector<Entry> options_of(const CLI::App& app, bool positional) {
  std::vector<Entry> entries;
  for (const CLI::Option* option : app.get_options())
    if (!option->get_group().empty() && option->get_positional() == positional)
      entries.push_back({name_of(*option), meaning_of(*option)});
  return entries;
}

/// Names on the left with their meanings beside them, or below them if the terminal is too narrow for both.
std::string section(std::string_view title, const std::vector<Entry>& entries, size_t width) {
  if (entries.empty()) return {};
  constexpr size_t kGap = 2;
  constexpr size_t kWidestName = 26;
  constexpr size_t kNarrow = 64;
  size_t column = 0;
  for (const Entry& entry : entries)
    if (entry.name.size() <= kWidestName) column = std::max(column, entry.name.size());
  column = width < kNarrow ? 2 * kGap + 4 : column + 2 * kGap;
  std::string text = fmt::format("\n{}:\n", title);
  for (const Entry& entry : entries) {
    std::string line = fmt::format("  {}", entry.name);
    if (line.size() + kGap > column) {
      text += line + "\n";
      line.clear();
    }
    line.resize(column, ' ');
    text += line + wrapped(entry.meaning, width - column, column) + "\n";
  }
  return text;
}

std::string usage(const CLI::App& app, size_t width) {
  std::string text = command_path(app);
  if (!commands_of(app).empty()) text += " COMMAND";
  text += " [OPTIONS]";
  for (const CLI::Option* option : app.get_options())
    if (option->get_positional())
      text += option->get_required() ? " " + placeholder(*option) : " [" + placeholder(*option) + "]";
  return wrapped("Usage: " + text, width, 7) + "\n";
}

/// Joins words into lines of at most `width` columns.
std::string fill(const std::vector<std::string>& words, size_t width, const std::string& line_end) {
  std::string out;
  size_t column = 0;
  for (const std::string& word : words) {
    const size_t word_width = display_width(word);
    if (column != 0 && column + 1 + word_width > width) {
      out += line_end;
      column = 0;
    } else if (column != 0) {
      out += ' ';
      ++column;
    }
    out += word;
    column += word_width;
  }
  return out;
}

/// Where to break a word that is wider than `width`.
size_t break_of(std::string_view word, size_t width) {
  size_t end = 0;
  while (end < word.size() && display_width(word.substr(0, end + 1)) <= width) ++end;
  const size_t good = word.substr(0, end).find_last_of(",/");
  return good == std::string_view::npos ? end : good + 1;
}

/// Lines as they are, each wrapped with its own indentation. Commands continue after a backslash.
std::string footer(const std::string& lines, size_t width) {
  std::string text;
  for (const std::string& line : CLI::detail::split(lines, '\n')) {
    const size_t indent = std::min(line.find_first_not_of(' '), line.size());
    const std::string_view words = std::string_view(line).substr(indent);
    text += std::string(indent, ' ');
    text += words.starts_with("gumtile ") ? wrapped_command(words, width - indent, indent + 4)
                                          : wrapped(words, width - indent, indent);
    text += '\n';
  }
  return text;
}

}  // namespace

size_t help_width() {
  size_t width = 0;
  if (const char* columns = std::getenv("COLUMNS"); columns != nullptr) {
    const std::string_view digits = columns;
    constexpr size_t kWidest = 10000;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), width);
    if (error != std::errc{} || end != digits.data() + digits.size() || width > kWidest) width = 0;
  }
  winsize size{};
  if (width == 0 && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) width = size.ws_col;
  constexpr size_t kUsual = 80;
  return width == 0 ? kUsual : std::max(width, kLeastWidth);
}

std::string wrapped(std::string_view text, size_t width, size_t indent) {
  std::vector<std::string> words;
  for (std::string_view word : CLI::detail::split(std::string(text), ' ')) {
    for (; display_width(word) > width; word.remove_prefix(break_of(word, width)))
      words.emplace_back(word.substr(0, break_of(word, width)));
    if (!word.empty()) words.emplace_back(word);
  }
  return fill(words, width, "\n" + std::string(indent, ' '));
}

std::string wrapped_command(std::string_view command, size_t width, size_t indent) {
  constexpr size_t kBackslash = 2;
  const size_t room = width - indent - kBackslash;
  // An option and its value stay on one line if they fit there.
  std::vector<std::string> words;
  bool is_option = false;
  for (const std::string& word : CLI::detail::split(std::string(command), ' ')) {
    if (is_option && !word.starts_with('-') && display_width(words.back() + " " + word) <= room)
      words.back() += " " + word;
    else
      words.push_back(word);
    is_option = word.starts_with('-');
  }
  return fill(words, room, " \\\n" + std::string(indent, ' '));
}

std::string command_path(const CLI::App& app) {
  const CLI::App* parent = app.get_parent();
  return parent == nullptr ? app.get_name() : command_path(*parent) + " " + app.get_name();
}

std::string examples(std::initializer_list<std::string_view> commands) {
  std::string text = "Examples:";
  for (std::string_view command : commands) text += fmt::format("\n  {}", command);
  return text;
}

std::string help_text(const CLI::App& app) {
  const size_t width = help_width();
  std::string text = wrapped(app.get_description(), width, 0) + "\n\n" + usage(app, width);
  text += section("Arguments", options_of(app, true), width);
  text += section("Commands", commands_of(app), width);
  text += section("Options", options_of(app, false), width);
  if (!app.get_footer().empty()) text += "\n" + footer(app.get_footer(), width);
  return text;
}

}  // namespace gumtile::tools
