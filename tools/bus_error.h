#pragma once

namespace gumtile::tools {

/// Makes a mapped file that is cut short while it is read end the command with a message that names it and
/// the exit code of an input that cannot be read, on whichever thread that happens. A SIGBUS from anything
/// else keeps its default effect.
void install_bus_error_handler();

}  // namespace gumtile::tools
