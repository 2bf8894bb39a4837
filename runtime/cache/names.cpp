#include "runtime/cache/names.h"

#include <fmt/format.h>
#include <unistd.h>

#include "files/posix_file.h"
#include "support/hash.h"

namespace gumtile::cache {
namespace {

constexpr std::string_view kEntrySuffix = ".gtk";
constexpr std::string_view kTemporarySuffix = ".tmp";
constexpr size_t kHashDigits = 32;
constexpr size_t kEntryNameSize = kHashDigits + kEntrySuffix.size();

}  // namespace

std::string entry_name(std::string_view key_text) { return hash_hex(key_text).append(kEntrySuffix); }

std::string temporary_name(std::string_view entry) {
  return fmt::format(".{}.{}-{:016x}{}", entry, getpid(), files::random_bits(), kTemporarySuffix);
}

bool is_entry_name(std::string_view name) {
  const std::string_view digits = name.substr(0, kHashDigits);
  return name.size() == kEntryNameSize && name.ends_with(kEntrySuffix) &&
         digits.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool is_temporary_name(std::string_view name) {
  return name.starts_with('.') && name.ends_with(kTemporarySuffix) &&
         is_entry_name(name.substr(1, kEntryNameSize));
}

}  // namespace gumtile::cache
