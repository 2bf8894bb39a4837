#include "tensor_catalog.h"

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "fault.h"
#include "lookup.h"

namespace gumtile::io {
namespace {

std::string file_of(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::is_directory(path, ignored) ? model_file_in(path) : path;
}

}  // namespace

TensorCatalog::TensorCatalog(const std::string& path) : path_(file_of(path)) {
  if (is_shard_index(path_)) {
    index_ = read_shard_index(path_);
    for (const auto& [tensor, shard] : index_->files) names_.push_back(tensor);
  } else {
    const auto file = MappedFile::open(path_);
    names_ = shards_.emplace("", Shard{file, read_safetensors_header(*file)}).first->second.header.names();
  }
}

bool TensorCatalog::has(const std::string& name) const {
  return std::ranges::binary_search(names_, name);  // both come from ordered maps
}

const TensorCatalog::Shard& TensorCatalog::shard_of(const std::string& name) const {
  if (!has(name)) no_such_tensor(name, names_, path_);
  if (!index_) return shards_.at("");
  const std::string& shard = index_->files.at(name);
  auto opened = shards_.find(shard);
  if (opened == shards_.end()) {
    const auto file = MappedFile::open(index_->shard_path(shard));
    opened = shards_.emplace(shard, Shard{file, read_safetensors_header(*file)}).first;
  }
  if (!opened->second.header.tensors.contains(name))
    bad_file(
        path_,
        "says that tensor {} is in {}, which does not have it; fetch index and shards of the same version",
        in_quotes(name), in_quotes(shard));
  return opened->second;
}

const StoredTensor& TensorCatalog::describe(const std::string& name) const {
  return shard_of(name).header.tensors.at(name);
}

const StoredTensor* TensorCatalog::try_describe(const std::string& name) const {
  try {
    return &describe(name);
  } catch (const Error&) {
    return nullptr;
  }
}

std::vector<std::string> TensorCatalog::readable_matrices() const {
  std::vector<std::string> matrices;
  for (const std::string& name : names_)
    if (describe(name).is_readable_matrix()) matrices.push_back(name);
  return matrices;
}

TensorFile TensorCatalog::open(const std::string& name) const {
  const Shard& shard = shard_of(name);
  return tensor_of(shard.file, shard.header, name);
}

}  // namespace gumtile::io
