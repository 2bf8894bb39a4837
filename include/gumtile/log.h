#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

namespace gumtile {

/// `off` is a threshold only: no message has it.
enum class LogLevel : uint8_t { debug, info, warning, off };
std::string_view name(LogLevel level);

/// Where the library says what the user should know: it prints only what GUMTILE_LOG asks for. Called on the
/// thread that noticed, from set-up calls only, never from a launch; may be called from several threads at
/// once. Must not throw. Empty: nothing is said.
///
/// - `warning`: something is slower or other than it could be, and why.
/// - `info`: the device that was opened, each kernel that was compiled (what, for which target, how long),
/// who
///   chose each schedule, and what was taken instead of something faster.
/// - `debug`: what was taken from the cache or a pack.
using Log = std::function<void(LogLevel level, std::string_view message)>;

/// A log that writes messages of `least` and above to stderr, "gumtile: info: ...", a write for each. Writes
/// nothing if stderr was closed when this was called. Thread safe.
Log log_to_stderr(LogLevel least);

/// The level that the environment variable GUMTILE_LOG names: off (or error: errors are thrown), warning,
/// info or debug, in either case. Empty if it is not set. Another text counts as info and is told of on
/// stderr once a process.
std::optional<LogLevel> log_level_from_environment();

/// `log`, and besides it lines on stderr if GUMTILE_LOG asks for them. Every engine is opened with this, so
/// that the variable works for programs as they are. What `log_to_stderr` or this made stays as it is. Reads
/// the environment once: what it returns does not.
Log with_environment_log(Log log);

}  // namespace gumtile
