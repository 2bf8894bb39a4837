#include <fcntl.h>
#include <fmt/format.h>
#include <lld/Common/Driver.h>
#include <llvm/Support/raw_ostream.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mutex>
#include <sstream>

#include "codegen/host/machine.h"
#include "codegen/host/unlinked_targets.h"
#include "gumtile/error.h"

LLD_HAS_DRIVER(elf)

namespace gumtile::codegen {
namespace {

/// A directory that goes away with its contents.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "gumtile-XXXXXX").string();
    if (!mkdtemp(pattern.data()))
      throw Error(ErrorCode::cannot_create,
                  fmt::format("cannot make a temporary directory like '{}'", pattern));
    path_ = pattern;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  std::string file(const char* name) const { return (path_ / name).string(); }

 private:
  std::filesystem::path path_;
};

}  // namespace

std::string link_shared_object(const std::string& object) {
  // lld keeps global state: one link at a time.
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  const TemporaryDirectory directory;
  const std::string input = directory.file("kernel.o");
  const std::string output = directory.file("kernel.so");
  std::ofstream file(input, std::ios::binary);
  file.write(object.data(), static_cast<std::streamsize>(object.size()));
  file.close();
  if (!file) throw Error(ErrorCode::cannot_create, fmt::format("cannot write '{}'", input));
  std::string messages;
  llvm::raw_string_ostream stream(messages);
  const std::array<const char*, 8> arguments{"ld.lld",       "-shared",     "--no-undefined",  "-o",
                                             output.c_str(), "--threads=1", "--build-id=none", input.c_str()};
  if (!lld::elf::link(arguments, stream, stream, false, false))
    throw Error(ErrorCode::internal, "lld could not link the generated object", {messages});
  std::ifstream result(output, std::ios::binary);
  std::ostringstream bytes;
  bytes << result.rdbuf();
  return bytes.str();
}

}  // namespace gumtile::codegen
