#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "mapped_file.h"

namespace gumtile::io {

/// Whether `path` is named as the index of a sharded model.
bool is_shard_index(std::string_view path);

/// Whether `file` is named as one of several shards: "...-00001-of-00004.safetensors".
bool is_lone_shard(std::string_view file);

/// The file to open for a model's folder: its index, else its single file; none if it has neither.
std::optional<std::string> find_model_file(const std::string& folder);
/// The same; throws `io` if it has neither.
std::string model_file_in(const std::string& folder);

/// Which file holds which tensor of a sharded model.
struct ShardIndex {
  std::string path;                          ///< of the index itself
  std::map<std::string, std::string> files;  ///< tensor to shard, as the index names it

  /// The shard's path, once checked to be below the index's folder; throws `bad_data` if it is not and `io`
  /// if it is missing.
  std::string shard_path(const std::string& file) const;
};

/// Reads and checks `path`; throws `bad_data` or `io`.
ShardIndex read_shard_index(const std::string& path);

}  // namespace gumtile::io
