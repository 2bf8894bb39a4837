#include "runtime/cache/publish.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>

#include "files/posix_file.h"
#include "runtime/cache/names.h"

namespace gumtile::cache {
namespace {

/// A new file in a folder, removed at the end of its scope unless it was published.
class TemporaryFile {
 public:
  TemporaryFile(int folder, std::string_view entry) : folder_(folder) {
    do {
      name_ = temporary_name(entry);
      file_ = files::FileDescriptor(openat(
          folder, name_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, S_IRUSR | S_IWUSR));
    } while (!file_.is_open() && (errno == EEXIST || errno == EINTR));
    // Tells `is_abandoned` that a writer is working; the system releases it however the process ends. If the
    // lock cannot be taken, the file might be removed, and the caller tries again.
    if (file_.is_open()) flock(file_.get(), LOCK_EX | LOCK_NB);
  }
  ~TemporaryFile() {
    if (file_.is_open()) unlinkat(folder_, name_.c_str(), 0);
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;

  bool is_open() const { return file_.is_open(); }
  int get() const { return file_.get(); }

  /// Takes the name of the entry; 0 or an errno.
  int rename_to(const std::string& entry) {
    if (renameat(folder_, name_.c_str(), folder_, entry.c_str()) != 0) return errno;
    file_ = files::FileDescriptor();
    return 0;
  }

 private:
  int folder_;
  std::string name_;
  files::FileDescriptor file_;
};

}  // namespace

int publish(int folder, const std::string& name, std::string_view bytes, const PublishHook& hook) {
  const auto reached = [&](PublishStep step) {
    if (hook) hook(step);
  };
  TemporaryFile file(folder, name);
  if (!file.is_open()) return errno;
  reached(PublishStep::created);
  const size_t half = bytes.size() / 2;  // two writes, so that there is a step between
  if (const int error = files::write_all(file.get(), bytes.substr(0, half)); error != 0) return error;
  reached(PublishStep::partly_written);
  if (const int error = files::write_all(file.get(), bytes.substr(half)); error != 0) return error;
  reached(PublishStep::written);
  // Otherwise a crash of the machine could leave the name without contents. The folder is not synced: an
  // entry whose name is lost is only a miss.
  if (const int error = files::sync(file.get()); error != 0) return error;
  reached(PublishStep::synced);
  if (const int error = file.rename_to(name); error != 0) return error;
  reached(PublishStep::published);
  return 0;
}

}  // namespace gumtile::cache
