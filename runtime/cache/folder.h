#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "files/posix_file.h"

namespace gumtile::cache {

/// A cache's folder, opened for one operation: whatever happens to its path meanwhile, the operation stays in
/// the folder that was checked.
struct OpenFolder {
  enum class State : uint8_t {
    usable,
    absent,   ///< it is not there yet
    refused,  ///< it is not ours alone, or cannot be opened or made; `reason` says so
  };
  State state = State::refused;
  files::FileDescriptor folder;
  std::string reason;  ///< what is wrong and what was expected, to follow "the folder '...'"
};

enum class IfAbsent : uint8_t { leave, create };

/// Opens the folder at an absolute path. It must be a folder and no symbolic link, owned by this process's
/// user, and writable by nobody else. Above it, a symbolic link is followed only where it lies in a folder
/// that none but root and this user can write (/var/run, a ~/.cache that was moved to another disk): anyone
/// else's could lead anywhere. What is missing is made with mode 0700 where `if_absent` says so.
OpenFolder open_folder(const std::filesystem::path& path, IfAbsent if_absent);

}  // namespace gumtile::cache
