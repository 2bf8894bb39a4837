#include "runtime/cuda/jit_log.h"

#include <cstdint>

#include "gumtile/error.h"

namespace gumtile::cuda {
namespace {

constexpr size_t kLogBytes = size_t{16} * 1024;

/// The log as text without trailing blank space. The driver writes back how much it filled in, but not always
/// on failures, so the terminating zero decides.
std::string text_of(const std::vector<char>& log) {
  std::string text(log.data());  // the last byte is never given to the driver and stays 0
  text.erase(text.find_last_not_of(" \n\r\t") + 1);
  return text;
}

/// Scalar options are passed as the value itself in a `void*`.
void* as_option(size_t value) { return reinterpret_cast<void*>(static_cast<uintptr_t>(value)); }

}  // namespace

JitLog::JitLog()
    : info_(kLogBytes + 1, '\0'),
      error_(kLogBytes + 1, '\0'),
      options_{CUjit_option::info_log_buffer, CUjit_option::info_log_buffer_size_bytes,
               CUjit_option::error_log_buffer, CUjit_option::error_log_buffer_size_bytes,
               CUjit_option::log_verbose},
      values_{info_.data(), as_option(kLogBytes), error_.data(), as_option(kLogBytes), as_option(1)} {}

std::string JitLog::info() const { return text_of(info_); }
std::string JitLog::error() const { return text_of(error_); }

void JitLog::throw_error(const Driver& driver, CUresult result, std::string_view what) const {
  try {
    cuda::throw_error(driver, result, what);
  } catch (const Error& plain) {
    std::vector<std::string> notes;
    if (std::string log = error(); !log.empty()) notes.push_back(std::move(log));
    if (std::string log = info(); !log.empty()) notes.push_back(std::move(log));
    throw Error(plain.code(), plain.what(), std::move(notes));
  }
}

}  // namespace gumtile::cuda
