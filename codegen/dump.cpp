#include "codegen/dump.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "files/posix_file.h"

namespace gumtile::codegen {
namespace {

/// With the key and the stage, file names stay below the 255 bytes that file systems allow.
constexpr size_t kMaxReadable = 160;

/// `text` as a part of a file name, without characters that are special to shells or file systems.
std::string readable(std::string text) {
  for (char& c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '.' || c == '+' || c == '=' || c == '-' || c == ',';
    if (!plain) c = '_';
  }
  return text.substr(0, kMaxReadable);
}

/// 0 or an errno.
int write_file(const std::string& folder, const std::string& name, std::string_view bytes) {
  if (mkdir(folder.c_str(), S_IRWXU) != 0 && errno != EEXIST) return errno;
  return files::replace_file(folder + "/" + name, bytes, S_IRUSR | S_IWUSR);
}

}  // namespace

StageDump::StageDump(const KernelPlan& plan, std::string_view key, const Log& log) : log_(log) {
  const char* folder = std::getenv("GUMTILE_DUMP");
  if (folder == nullptr || *folder == '\0') return;
  folder_ = folder;
  name_ = fmt::format(
      "{}-{}", readable(fmt::format("{}-{}-{}", plan.program.name, plan.schedule.str(), plan.target.str())),
      key);
}

void StageDump::keep(std::string_view stage, const std::function<std::string()>& text) const {
  if (folder_.empty()) return;
  const std::string name = fmt::format("{}.{}", name_, stage);
  const int error = write_file(folder_, name, text());
  static std::atomic_flag warned;
  if (error == 0 || !log_ || warned.test_and_set()) return;
  log_(LogLevel::warning,
       fmt::format("GUMTILE_DUMP: '{}/{}' could not be written: {}; the compiler goes on without it", folder_,
                   name, std::strerror(error)));
}

}  // namespace gumtile::codegen
