#include <fmt/format.h>

#include <cctype>
#include <cstdlib>
#include <cstring>

#include "gumtile/error.h"
#include "gumtile/tuning.h"
#include "runtime/io/posix_file.h"
#include "support/hash.h"

namespace gumtile {
namespace {

namespace fs = std::filesystem;

/// "nvidia-h200": lower case, what is neither letter nor digit as one hyphen.
std::string slug(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 128 && std::isalnum(byte) != 0)
      out += static_cast<char>(std::tolower(byte));
    else if (!out.empty() && out.back() != '-')
      out += '-';
  }
  constexpr size_t kLongest = 48;
  out.resize(std::min(out.size(), kLongest));
  while (!out.empty() && out.back() == '-') out.pop_back();
  return out.empty() ? "device" : out;
}

[[noreturn]] void cannot_write(const fs::path& path, const std::string& why) {
  throw Error(ErrorCode::cannot_create,
              fmt::format("the tuning record '{}' cannot be written: {}", path.string(), why));
}

fs::path absolute_variable(const char* name) {
  const char* value = std::getenv(name);
  const fs::path path(value == nullptr ? "" : value);
  return path.is_absolute() ? path : fs::path();
}

}  // namespace

std::string tuning_file_name(const TuningKey& key) {
  const Problem& p = key.problem;
  const std::string all =
      fmt::format("{}\n{}\n{}\n{}\n{}\ncolumns {} from {}, contracted {}, rows {}, weights aligned to {}\n",
                  key.device_name, key.workers, key.memory_class, key.target, key.program, p.columns,
                  p.first_column, p.contracted, p.max_rows, p.weights_alignment);
  return fmt::format("{}-{}x{}-b{}-{}.json", slug(key.device_name), p.columns, p.contracted, p.max_rows,
                     hash_hex(all).substr(0, 16));
}

fs::path save_tuning_record(const fs::path& folder, const TuningRecord& record) {
  const fs::path complete = folder / tuning_file_name(record.key);
  const fs::path partial = complete.string() + ".partial";
  const fs::path& path = record.complete ? complete : partial;
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) cannot_write(path, error.message());
  if (const int code = io::replace_file(path.string(), tuning_record_text(record)); code != 0)
    cannot_write(path, std::strerror(code));
  if (record.complete) fs::remove(partial, error);
  return path;
}

fs::path default_tuning_folder() {
  if (const char* own = std::getenv("GUMTILE_TUNING_DIR"); own != nullptr && *own != '\0') return own;
  if (const fs::path data = absolute_variable("XDG_DATA_HOME"); !data.empty())
    return data / "gumtile" / "tuning";
  if (const fs::path home = absolute_variable("HOME"); !home.empty())
    return home / ".local" / "share" / "gumtile" / "tuning";
  return {};
}

}  // namespace gumtile
