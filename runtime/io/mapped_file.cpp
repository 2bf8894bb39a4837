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
#include "mappings.h"

namespace gumtile::io {
namespace {

/// Closes a file unless it is released.
struct Descriptor {
  int fd;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
  int release() { return std::exchange(fd, -1); }
};

[[noreturn]] void cannot_read(const std::string& path, std::string_view why) {
  throw Error(ErrorCode::io, fmt::format("{}: cannot be read: {}; check the path and its permissions",
                                         in_quotes(path), why));
}

std::string error_text(int code) { return std::generic_category().message(code); }

}  // namespace

std::shared_ptr<const MappedFile> MappedFile::open(const std::string& path) {
  // O_NONBLOCK: opening a named pipe must fail below rather than wait for a writer.
  Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
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
  return std::shared_ptr<const MappedFile>(new MappedFile(path, file.release(), data, size));
}

MappedFile::MappedFile(std::string path, int descriptor, const std::byte* data, size_t size)
    : path_(std::move(path)),
      quoted_path_(in_quotes(path_)),
      descriptor_(descriptor),
      data_(data),
      size_(size) {
  if (data_ != nullptr) mapping_ = add_mapping(bytes(), quoted_path_.c_str());
}

MappedFile::~MappedFile() {
  remove_mapping(mapping_);
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
  ::close(descriptor_);
}

void MappedFile::expect_whole() const {
  struct stat status {};
  if (::fstat(descriptor_, &status) != 0) cannot_read(path_, error_text(errno));
  if (static_cast<size_t>(status.st_size) >= size_) return;
  throw Error(ErrorCode::io,
              fmt::format("{}: was cut short from {} to {} bytes while it was read, so that what was read is "
                          "not its data; replace files by renaming, and start again",
                          quoted_path_, size_, status.st_size));
}

TensorFile tensor_in(const std::shared_ptr<const MappedFile>& file, std::string name, DType dtype,
                     std::vector<int64_t> shape, std::span<const std::byte> data) {
  std::shared_ptr<const void> storage = file;
  const std::byte* begin = data.data();
  // Neither format promises alignment, and a typed read through an unaligned pointer is undefined.
  if (reinterpret_cast<uintptr_t>(begin) % size_bytes(dtype) != 0) {
    const std::shared_ptr<std::byte[]> copy(new std::byte[data.size()]);  // operator new aligns for any dtype
    if (!data.empty()) std::memcpy(copy.get(), data.data(), data.size());
    file->expect_whole();
    begin = copy.get();
    storage = copy;
  }
  TensorView view{dtype, std::move(shape), begin, data.size()};
  const std::shared_ptr<const MappedFile> mapped = storage == file ? file : nullptr;
  return TensorFile(std::move(view), file->path(), std::move(name), std::move(storage), mapped);
}

}  // namespace gumtile::io

namespace gumtile {

void TensorFile::expect_whole() const {
  if (file_) file_->expect_whole();
}

}  // namespace gumtile
