#pragma once

#include <CLI/CLI.hpp>

#include "gumtile/error.h"

namespace gumtile::tools {

/// The subcommand that was parsed last: the one that --help and errors are about.
const CLI::App& parsed_command(const CLI::App& root);

/// What is wrong with a command line that CLI11 refuses, as the command words it.
Error usage_error(const CLI::App& root, const CLI::ParseError& error);

/// The same error; if it is one of usage, with a note that names the command's help.
Error with_hint(const CLI::App& root, const Error& error);

/// "unknown command 'dance'…" for a word that names no subcommand of `app`.
Error unknown_command(const CLI::App& app, std::string_view word);

}  // namespace gumtile::tools
