#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gumtile/tensor_file.h"
#include "safetensors.h"
#include "shards.h"

namespace gumtile::io {

/// The tensors of a .safetensors file or of a sharded model. Only the shards that are needed are opened,
/// since the others may not be there.
class TensorCatalog {
 public:
  /// `path`: a .safetensors file, an index of shards or a model's folder. Throws `io` and `bad_data`.
  explicit TensorCatalog(const std::string& path);

  const std::string& path() const { return path_; }                 ///< of the file or the index
  const std::vector<std::string>& names() const { return names_; }  ///< in order
  bool has(const std::string& name) const;

  /// What the header says about a tensor. Throws `bad_data` if there is none of this name, with the most
  /// similar names, and what opening its shard throws.
  const StoredTensor& describe(const std::string& name) const;
  /// The same; null if that fails, e.g. because the shard is not there.
  const StoredTensor* try_describe(const std::string& name) const;

  /// The tensors that can be opened and have two dimensions.
  std::vector<std::string> readable_matrices() const;

  /// Throws as `describe`, and `bad_data` for a dtype that cannot be opened.
  TensorFile open(const std::string& name) const;

 private:
  struct Shard {
    std::shared_ptr<const MappedFile> file;
    SafetensorsHeader header;
  };
  const Shard& shard_of(const std::string& name) const;

  std::string path_;
  std::optional<ShardIndex> index_;
  std::vector<std::string> names_;
  mutable std::map<std::string, Shard> shards_;  ///< those opened, by their names in the index
};

}  // namespace gumtile::io
