#pragma once

#include <cstdint>
#include <functional>
#include <string_view>

namespace gumtile {

enum class LogLevel : uint8_t { debug, info, warning };

/// Where the library says what the user should know: it never prints. Called on the thread that noticed, from
/// set-up calls only, never from a launch; may be called from several threads at once. Must not throw. Empty:
/// nothing is said.
using Log = std::function<void(LogLevel level, std::string_view message)>;

}  // namespace gumtile
