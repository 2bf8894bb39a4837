#pragma once

#include <fmt/format.h>

#include <string_view>
#include <utility>

#include "gumtile/log.h"

/// The command's standard streams. Results go to stdout, and a result that cannot be written is an error.
/// Text on stderr helps a user who watches: if it cannot be written, that changes neither results nor exit
/// codes.
namespace gumtile::tools {

/// The first call of main. Opens closed standard streams as files that can be neither read nor written, so
/// that no file that is opened later takes their place. A stderr without a reader does not end the process.
void prepare_streams() noexcept;

/// Writes a result, or a whole part of one. Throws Error(cannot_create) if stdout does not take all of it; if
/// it is a pipe without a reader, the process ends by SIGPIPE.
void write_stdout(std::string_view text);

/// Writes to stderr if it can be written.
void write_stderr(std::string_view text) noexcept;
template <typename... Args>
void print_stderr(fmt::format_string<Args...> format, Args&&... args) {
  write_stderr(fmt::format(format, std::forward<Args>(args)...));
}

/// A line on stderr that says what takes time, if stderr is a terminal; removed at the end of its scope.
class StatusLine {
 public:
  StatusLine() noexcept;
  ~StatusLine();
  StatusLine(const StatusLine&) = delete;
  StatusLine& operator=(const StatusLine&) = delete;

  void show(std::string_view text);  ///< replaces the previous text
  void clear() noexcept;             ///< before something else is written

 private:
  bool is_terminal_;
  bool is_shown_ = false;
};

/// Whether stdout is a terminal.
bool is_stdout_terminal() noexcept;
bool is_stderr_terminal() noexcept;

/// Writes warnings of the library to stderr, or what GUMTILE_LOG requests instead.
Log warnings_to_stderr();

}  // namespace gumtile::tools
