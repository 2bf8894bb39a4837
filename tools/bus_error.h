#pragma once

namespace gumtile::tools {

/// If a mapped file is truncated while it is read, ends the command with a message that names it and the exit
/// code of an input that cannot be read, on whichever thread that happens. Any other SIGBUS keeps its default
/// effect.
void install_bus_error_handler();

}  // namespace gumtile::tools
