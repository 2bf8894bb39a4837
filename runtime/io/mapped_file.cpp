#include "mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <system_error>
#include <utility>

#include "fault.h"

namespace gumtile::io {
namespace {

struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

[[noreturn]] void cannot_read(const std::string& path, std::string_view why) {
  throw Error(ErrorCode::io, fmt::format("{}: cannot be read: {}; check the path and its permissions",
                                         in_quotes(path), why));
}

std::string error_text(int code) { return std::generic_category().message(code); }

}  // namespace

std::shared_ptr<const MappedFile> MappedFile::open(const std::string& path) {
  // O_NONBLOCK: opening a named pipe must fail below rather than wait for a writer.
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.fd < 0) cannot_read(path, error_text(errno));
  struct stat status {};
  if (::fstat(file.fd, &status) != 0) cannot_read(path, error_text(errno));
  if (S_ISDIR(status.st_mode)) cannot_read(path, "it is a folder, expected a file");
  if (!S_ISREG(status.st_mode)) cannot_read(path, "it is not a regular file, which mapping needs");

  const auto size = static_cast<size_t>(status.st_size);
  const std::byte* data = nullptr;
  if (size > 0) {  // mmap refuses an empty range
    void* mapping = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.fd, 0);
    if (mapping == MAP_FAILED) cannot_read(path, error_text(errno));
    data = static_cast<const std::byte*>(mapping);
  }
  return std::shared_ptr<const MappedFile>(new MappedFile(path, data, size));
}

MappedFile::~MappedFile() {
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

TensorFile tensor_in(const std::shared_ptr<const MappedFile>& file, std::string name, DType dtype,
                     std::vector<int64_t> shape, std::span<const std::byte> data) {
  std::shared_ptr<const void> storage = file;
  const std::byte* begin = data.data();
  // Neither format promises alignment, and a typed read through an unaligned pointer is undefined.
  if (reinterpret_cast<uintptr_t>(begin) % size_bytes(dtype) != 0) {
    const std::shared_ptr<std::byte[]> copy(new std::byte[data.size()]);  // operator new aligns for any dtype
    if (!data.empty()) std::memcpy(copy.get(), data.data(), data.size());
    begin = copy.get();
    storage = copy;
  }
  TensorView view{dtype, std::move(shape), begin, data.size()};
  return TensorFile(std::move(view), file->path(), std::move(name), std::move(storage));
}

}  // namespace gumtile::io
