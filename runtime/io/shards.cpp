#include "shards.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "fault.h"
#include "strict_json.h"

namespace gumtile::io {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

bool is_below(const fs::path& path, const fs::path& folder) {
  return std::mismatch(folder.begin(), folder.end(), path.begin(), path.end()).first == folder.end();
}

/// Where a shard's data may be: the index's folder, and for a snapshot in the Hugging Face hub's cache, whose
/// files are links, the blobs of the same repository.
std::vector<fs::path> allowed_folders(const fs::path& folder) {
  std::vector<fs::path> folders = {folder};
  if (folder.parent_path().filename() == "snapshots")
    folders.push_back(folder.parent_path().parent_path() / "blobs");
  return folders;
}

}  // namespace

bool is_shard_index(std::string_view path) { return path.ends_with(".safetensors.index.json"); }

bool is_lone_shard(std::string_view file) {
  constexpr std::string_view kSuffix = ".safetensors", kOf = "-of-";
  if (!file.ends_with(kSuffix)) return false;
  file.remove_suffix(kSuffix.size());
  const size_t of = file.rfind(kOf);
  if (of == std::string_view::npos) return false;
  const std::string_view count = file.substr(of + kOf.size());
  if (count.empty() || count.find_first_not_of("0123456789") != std::string_view::npos) return false;
  return count.find_first_not_of('0') != count.size() - 1 || count.back() != '1';
}

std::optional<std::string> find_model_file(const std::string& folder) {
  for (const char* name : {"model.safetensors.index.json", "model.safetensors"}) {
    const fs::path file = fs::path(folder) / name;
    std::error_code ignored;
    if (fs::exists(file, ignored)) return file.string();
  }
  return std::nullopt;
}

std::string model_file_in(const std::string& folder) {
  if (auto file = find_model_file(folder)) return *file;
  throw Error(
      ErrorCode::io,
      fmt::format("{}: has neither model.safetensors.index.json nor model.safetensors; name the file itself",
                  in_quotes(folder)));
}

std::string ShardIndex::shard_path(const std::string& file) const {
  const fs::path entry(file);
  if (entry.empty() || file.find('\0') != std::string::npos || entry.is_absolute() ||
      std::ranges::find(entry, fs::path("..")) != entry.end())
    bad_file(path, "names the shard {}, expected a file below the index's own folder; correct the index",
             in_quotes(file));

  const fs::path folder = fs::path(path).has_parent_path() ? fs::path(path).parent_path() : fs::path(".");
  const fs::path shard = folder / entry;
  std::error_code error;
  const fs::path real_folder = fs::canonical(folder, error);
  const fs::path real_shard = error ? fs::path() : fs::canonical(shard, error);
  if (error)
    throw Error(ErrorCode::io, fmt::format("{}: cannot be read: {}; {} names this shard, fetch it too",
                                           in_quotes(shard.string()), error.message(), in_quotes(path)));
  const auto holds_shard = [&](const fs::path& allowed) { return is_below(real_shard, allowed); };
  if (std::ranges::none_of(allowed_folders(real_folder), holds_shard))
    bad_file(
        path,
        "names the shard {}, which is a link to {}, expected a file below the index's own folder; put the "
        "file itself there",
        in_quotes(file), in_quotes(real_shard.string()));
  return shard.string();
}

ShardIndex read_shard_index(const std::string& path) {
  const auto file = MappedFile::open(path);
  const json parsed = parse_strict_json(file->text(), path, "the index");
  const auto map = parsed.find("weight_map");
  if (map == parsed.end() || !map->is_object())
    bad_file(path,
             "has no object 'weight_map', expected one of tensor names to files; fetch the index again");
  ShardIndex index{path, {}};
  for (const auto& [tensor, shard] : map->items()) {
    if (!shard.is_string())
      bad_file(path, "'weight_map' has a JSON {} for tensor {}, expected a file name; fetch the index again",
               shard.type_name(), in_quotes(tensor));
    index.files.emplace(tensor, shard.get<std::string>());
  }
  return index;
}

}  // namespace gumtile::io
