#include "files/temporary_folder.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "gumtile/error.h"
#include "support/quotes.h"

namespace gumtile::files {

std::string folder_for_temporaries() {
  const char* named = std::getenv("TMPDIR");
  struct stat status {};
  const bool usable = named != nullptr && *named != '\0' && stat(named, &status) == 0 &&
                      S_ISDIR(status.st_mode) && access(named, W_OK | X_OK) == 0;
  return usable ? named : "/tmp";
}

TemporaryFolder::TemporaryFolder(const std::string& prefix)
    : path_(folder_for_temporaries() + "/" + prefix + "-XXXXXX") {
  if (mkdtemp(path_.data()) == nullptr)
    throw Error(
        ErrorCode::cannot_create,
        fmt::format("no temporary folder can be made in {}: {}; set TMPDIR to a folder with space that "
                    "you may write",
                    in_quotes(folder_for_temporaries()), std::generic_category().message(errno)));
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace gumtile::files
