#include "gumtile/log.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cctype>
#include <cstdlib>
#include <string>
#include <utility>

namespace gumtile {
namespace {

/// One write, so that lines of several threads and processes do not mix. A stderr that cannot be written is
/// not a failure.
void write_line(LogLevel level, std::string_view message) {
  const std::string line = fmt::format("gumtile: {}: {}\n", name(level), message);
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

struct StderrLog {
  LogLevel least;
  Log also;

  void operator()(LogLevel level, std::string_view message) const {
    if (level >= least) write_line(level, message);
    if (also) also(level, message);
  }
};

/// If descriptor 2 is closed now, it may be a file of the program later.
bool is_stderr_open() { return fcntl(STDERR_FILENO, F_GETFD) != -1; }

}  // namespace

std::string_view name(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return "debug";
    case LogLevel::info:
      return "info";
    case LogLevel::warning:
      return "warning";
    case LogLevel::off:
      return "off";
  }
  return "unknown";
}

Log log_to_stderr(LogLevel least) { return StderrLog{is_stderr_open() ? least : LogLevel::off, {}}; }

std::optional<LogLevel> log_level_from_environment() {
  const char* value = std::getenv("GUMTILE_LOG");
  if (value == nullptr || *value == '\0') return std::nullopt;
  std::string text = value;
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  constexpr std::array<std::pair<std::string_view, LogLevel>, 5> kLevels{{{"off", LogLevel::off},
                                                                          {"error", LogLevel::off},
                                                                          {"warning", LogLevel::warning},
                                                                          {"info", LogLevel::info},
                                                                          {"debug", LogLevel::debug}}};
  for (const auto& [known, level] : kLevels)
    if (text == known) return level;
  static std::atomic_flag told;
  if (!told.test_and_set() && is_stderr_open())
    write_line(
        LogLevel::warning,
        fmt::format("GUMTILE_LOG is '{}'; expected off, warning, info or debug. It counts as info", value));
  return LogLevel::info;
}

Log with_environment_log(Log log) {
  if (log.target<StderrLog>() != nullptr) return log;
  const std::optional<LogLevel> least = log_level_from_environment();
  if (!least || *least == LogLevel::off || !is_stderr_open()) return log;
  return StderrLog{*least, std::move(log)};
}

}  // namespace gumtile
