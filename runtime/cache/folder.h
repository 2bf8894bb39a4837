#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "files/posix_file.h"

namespace gumtile::cache {

/// A cache's folder, opened for one operation. Whatever happens to its path meanwhile, the operation stays in
/// the folder that was checked.
struct OpenFolder {
  enum class State : uint8_t {
    usable,
    absent,   ///< it is not there yet
    refused,  ///< others can write to it, or it cannot be opened or created; `reason` says so
  };
  State state = State::refused;
  files::FileDescriptor folder;
  std::string reason;  ///< what is wrong and what was expected, as a continuation of "the folder '...'"
};

enum class IfAbsent : uint8_t { leave, create };

/// Opens the folder at an absolute path. It must be a folder and not a symbolic link, owned by this process's
/// user, and writable by nobody else. Above it, a symbolic link is followed only if it is in a folder that
/// only root and this user can write (/var/run, a ~/.cache that was moved to another disk): a link of other
/// users could lead anywhere. Missing folders are created with mode 0700 if `if_absent` says so.
OpenFolder open_folder(const std::filesystem::path& path, IfAbsent if_absent);

}  // namespace gumtile::cache
