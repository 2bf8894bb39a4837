#include "runtime/cpu/shared_object.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <system_error>
#include <utility>

#include "files/posix_file.h"
#include "files/temporary_folder.h"
#include "gumtile/error.h"
#include "runtime/cpu/elf_image.h"

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U  // Linux 6.3
#endif

namespace gumtile::cpu {
namespace {

using files::FileDescriptor;
using files::write_all;

std::string error_text(int error) { return std::generic_category().message(error); }

void* dlopen_or_reason(const std::string& path, std::string& reason) {
  void* handle = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    const char* text = dlerror();
    reason = text != nullptr ? text : "unknown reason";
  }
  return handle;
}

/// Loads through an anonymous file in memory. Null with the reason on failure.
void* load_from_memory(std::span<const std::byte> image, const std::string& name, std::string& reason) {
  // Kernels that do not know MFD_EXEC refuse it (EINVAL), and those that default to noexec need it.
  const std::string label = "gumtile-" + name.substr(0, 200);  // the kernel allows 249 bytes
  FileDescriptor file(memfd_create(label.c_str(), MFD_CLOEXEC | MFD_EXEC));
  if (!file.is_open()) file = FileDescriptor(memfd_create(label.c_str(), MFD_CLOEXEC));
  if (!file.is_open()) {
    reason = fmt::format("memfd_create: {}", error_text(errno));
    return nullptr;
  }
  if (const int error = write_all(file.get(), image); error != 0) {
    reason = fmt::format("writing to memory: {}", error_text(error));
    return nullptr;
  }
  // The loader recognises loaded objects by their path. Descriptor numbers are reused after closing, so a
  // path may still belong to an earlier object: take the next number until it does not.
  for (;;) {
    const std::string path = fmt::format("/proc/self/fd/{}", file.get());
    void* earlier = dlopen(path.c_str(), RTLD_NOW | RTLD_NOLOAD);
    if (earlier == nullptr) {
      dlerror();  // forget the message
      return dlopen_or_reason(path, reason);
    }
    dlclose(earlier);
    const int next = fcntl(file.get(), F_DUPFD_CLOEXEC, file.get() + 1);
    if (next < 0) {
      reason = fmt::format("duplicating a file descriptor: {}", error_text(errno));
      return nullptr;
    }
    file = FileDescriptor(next);
  }
}

/// Loads through a temporary file that is unlinked at once. Null with the reason on failure.
void* load_from_temporary_file(std::span<const std::byte> image, std::string& reason) {
  std::string path = files::folder_for_temporaries() + "/gumtile-XXXXXX";
  const FileDescriptor file(mkostemp(path.data(), O_CLOEXEC));
  if (!file.is_open()) {
    reason = fmt::format("creating {}: {}", path, error_text(errno));
    return nullptr;
  }
  void* handle = nullptr;
  if (const int error = write_all(file.get(), image); error != 0) {
    reason = fmt::format("writing {}: {}", path, error_text(error));
  } else {
    handle = dlopen_or_reason(path, reason);
  }
  unlink(path.c_str());
  return handle;
}

}  // namespace

SharedObject::SharedObject(std::span<const std::byte> image, const std::string& name) : name_(name) {
  if (std::string reason = why_not_loadable(image); !reason.empty()) {
    throw Error(ErrorCode::bad_data,
                fmt::format("the compiled code of '{}' cannot be loaded: {}", name, reason));
  }
  std::string memory_reason;
  std::string file_reason;
  handle_ = load_from_memory(image, name, memory_reason);
  if (handle_ == nullptr) handle_ = load_from_temporary_file(image, file_reason);
  if (handle_ != nullptr) return;
  // An object that lacks a symbol is refused in either case; any other failure is the system's.
  const bool lacks_symbol = file_reason.find("undefined symbol") != std::string::npos;
  const char* advice = lacks_symbol ? "" : "; set TMPDIR to a folder that may hold executable files";
  throw Error(lacks_symbol ? ErrorCode::internal : ErrorCode::cannot_create,
              fmt::format("the compiled code of '{}' cannot be loaded: {}{}", name, file_reason, advice),
              {fmt::format("from memory: {}", memory_reason), fmt::format("from a file: {}", file_reason)});
}

SharedObject::~SharedObject() {
  if (handle_ != nullptr) dlclose(handle_);
}

SharedObject::SharedObject(SharedObject&& other) noexcept
    : handle_(std::exchange(other.handle_, nullptr)), name_(std::move(other.name_)) {}

SharedObject& SharedObject::operator=(SharedObject&& other) noexcept {
  std::swap(handle_, other.handle_);
  std::swap(name_, other.name_);
  return *this;
}

void* SharedObject::symbol(const std::string& symbol_name) const {
  // A null handle would mean "this program" to dlsym.
  void* address = handle_ != nullptr ? dlsym(handle_, symbol_name.c_str()) : nullptr;
  if (address == nullptr) {
    throw Error(ErrorCode::internal,
                fmt::format("the compiled code of '{}' has no symbol '{}'", name_, symbol_name));
  }
  return address;
}

}  // namespace gumtile::cpu
