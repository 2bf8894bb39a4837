#pragma once

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace gumtile {

/// What kind of failure an `Error` reports. The value is the exit code of the `gumtile` command, except that
/// `context_lost` gives the exit code of `device_unavailable`.
enum class ErrorCode : int {
  context_lost = 6,         ///< a fault on the device made its context unusable: no retry helps
  usage = 64,               ///< an option or argument is wrong
  bad_data = 65,            ///< an input file, Program or Schedule is wrong
  device_unavailable = 69,  ///< the requested device is not there or cannot run the kernel
  internal = 70,            ///< a bug in gumtile itself
  cannot_create = 73,       ///< an output could not be written
  io = 74,                  ///< reading failed
  cancelled = 130,          ///< the caller or the user cancelled
};

/// Thrown by set-up calls. `what()` says what was expected, what was found, and what to do; `notes()` add
/// detail such as a driver's log. A launch never throws.
class Error : public std::runtime_error {
 public:
  Error(ErrorCode code, const std::string& message, std::vector<std::string> notes = {})
      : std::runtime_error(message), code_(code), notes_(std::move(notes)) {}

  ErrorCode code() const { return code_; }
  const std::vector<std::string>& notes() const { return notes_; }

 private:
  ErrorCode code_;
  std::vector<std::string> notes_;
};

}  // namespace gumtile
