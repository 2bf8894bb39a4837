#pragma once

#include <CLI/CLI.hpp>
#include <initializer_list>
#include <string>
#include <string_view>

namespace gumtile::tools {

/// The help of a command or a subcommand, wrapped at the terminal's width.
std::string help_text(const CLI::App& app);

/// "gumtile cache stats"
std::string command_path(const CLI::App& app);

/// The footer of a subcommand's help: commands that work as they are, except for the names of files.
std::string examples(std::initializer_list<std::string_view> commands);

/// $COLUMNS, else the terminal's width, else 80.
size_t help_width();

/// Lines of at most `width` columns; all but the first are indented by `indent`. A word that is wider is
/// broken, after a comma or a slash if it has one.
std::string wrapped(std::string_view text, size_t width, size_t indent);
/// A command in such lines, without broken words, and with backslashes at the ends of all lines but the last.
std::string wrapped_command(std::string_view command, size_t width, size_t indent);

}  // namespace gumtile::tools
