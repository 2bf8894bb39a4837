#pragma once

#include <CLI/CLI.hpp>

#include "gumtile/error.h"

namespace gumtile::tools {

/// The subcommand that was parsed last, to which --help and errors refer.
const CLI::App& parsed_command(const CLI::App& root);

/// The command's error for a command line that CLI11 refuses.
Error usage_error(const CLI::App& root, const CLI::ParseError& error);

/// The same error; if it is a usage error, with a note that names the command's help.
Error with_hint(const CLI::App& root, const Error& error);

/// "unknown command 'dance'…" for a word that is not a subcommand of `app`.
Error unknown_command(const CLI::App& app, std::string_view word);

}  // namespace gumtile::tools
