#include "codegen/dump.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace gumtile::codegen {
namespace {

/// With the key and the stage this stays below the 255 bytes that file systems allow.
constexpr size_t kMaxReadable = 160;

/// A part of a file name that no shell and no file system minds.
std::string readable(std::string text) {
  for (char& c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '.' || c == '+' || c == '=' || c == '-' || c == ',';
    if (!plain) c = '_';
  }
  return text.substr(0, kMaxReadable);
}

int write_all(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(file, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return 0;
}

/// Writes a file beside its place and renames it; 0 or an errno.
int write_file(const std::string& folder, const std::string& name, std::string_view bytes) {
  if (mkdir(folder.c_str(), S_IRWXU) != 0 && errno != EEXIST) return errno;
  std::string temporary = folder + "/.dump-XXXXXX";
  const int file = mkostemp(temporary.data(), O_CLOEXEC);  // with mode 0600
  if (file < 0) return errno;
  int error = write_all(file, bytes);
  close(file);
  if (error == 0 && rename(temporary.c_str(), (folder + "/" + name).c_str()) != 0) error = errno;
  if (error != 0) unlink(temporary.c_str());
  return error;
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
