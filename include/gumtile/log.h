#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

namespace gumtile {

/// `off` is a threshold only: no message has it.
enum class LogLevel : uint8_t { debug, info, warning, off };
std::string_view name(LogLevel level);

/// Receives the library's messages; without it, only what GUMTILE_LOG requests is printed. Called from set-up
/// calls on the thread that noticed the event, never from a launch; several threads may call it at once. Must
/// not throw. Empty: nothing is reported.
///
/// - `warning`: what is slower than it could be or differs from what was requested, and why.
/// - `info`: the device that was opened; each kernel that was compiled (what, for which target, how long);
///   the source of each schedule; and what was used instead of something faster.
/// - `debug`: what was loaded from the cache or a pack.
using Log = std::function<void(LogLevel level, std::string_view message)>;

/// A log that writes messages of `least` and above to stderr, "gumtile: info: ...", one write per message.
/// Writes nothing if stderr was closed when this was called. Thread safe.
Log log_to_stderr(LogLevel least);

/// The level that the environment variable GUMTILE_LOG names: off (or error: errors are thrown), warning,
/// info or debug, in either case. Empty if it is not set. Any other text counts as info and is reported on
/// stderr once per process.
std::optional<LogLevel> log_level_from_environment();

/// A log that calls `log` and also writes lines to stderr if GUMTILE_LOG requests them. Every engine is
/// opened with this, so that the variable works for unmodified programs. A log that `log_to_stderr` or this
/// function returned is returned unchanged. Reads the environment once; the returned log does not read it.
Log with_environment_log(Log log);

}  // namespace gumtile
