#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

/// Checks of an option's value when it is parsed. Errors say what was found, what was expected, and what was
/// probably meant; help and completion list the values of an enumeration.
namespace gumtile::tools {

/// One of `values`.
CLI::Validator one_of(std::vector<std::string> values);
/// Some of `values`, separated by commas.
CLI::Validator list_of(std::vector<std::string> values);
/// Any text; help and completion list `values`.
CLI::Validator suggested(const std::vector<std::string>& values);
/// auto, cpu or cuda:N.
CLI::Validator device_name();
/// An integer in decimal. For `Option::transform`: CLI11 would read a leading 0 as octal.
CLI::Validator integer(int64_t least, int64_t most = std::numeric_limits<int64_t>::max());
/// Anything but an empty text; `what` is expected.
CLI::Validator not_empty(std::string what);

/// The values that the validators of an option list; empty if it is not an enumeration.
std::vector<std::string> enumerated_values(const CLI::Option& option);

}  // namespace gumtile::tools
