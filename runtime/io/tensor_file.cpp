#include "gumtile/tensor_file.h"

#include <filesystem>
#include <set>
#include <system_error>

#include "fault.h"
#include "lookup.h"
#include "mapped_file.h"
#include "safetensors.h"
#include "shards.h"

namespace gumtile {
namespace {

using namespace io;

TensorFile open_in_file(const std::string& path, const std::optional<std::string>& wanted) {
  const auto file = MappedFile::open(path);
  const SafetensorsHeader header = read_safetensors_header(*file);
  std::optional<std::string> tensor = wanted;
  if (!tensor) tensor = find_head(header.names(), path);
  if (!tensor) tensor = only_matrix(header.readable_matrices(), path);
  if (!header.tensors.contains(*tensor)) no_such_tensor(*tensor, header.names(), path);
  return tensor_of(file, header, *tensor);
}

/// The matrices of a whole sharded model, which takes the header of every shard.
std::vector<std::string> readable_matrices(const ShardIndex& index) {
  std::set<std::string> shards;
  for (const auto& [tensor, shard] : index.files) shards.insert(shard);
  std::vector<std::string> matrices;
  for (const std::string& shard : shards) {
    const SafetensorsHeader header = read_safetensors_header(*MappedFile::open(index.shard_path(shard)));
    for (const std::string& tensor : header.readable_matrices()) {
      const auto entry = index.files.find(tensor);
      if (entry != index.files.end() && entry->second == shard) matrices.push_back(tensor);
    }
  }
  return matrices;
}

TensorFile open_in_shards(const std::string& path, const std::optional<std::string>& wanted) {
  const ShardIndex index = read_shard_index(path);
  std::vector<std::string> names;
  for (const auto& [tensor, shard] : index.files) names.push_back(tensor);
  std::optional<std::string> tensor = wanted;
  if (!tensor) tensor = find_head(names, path);
  if (!tensor) tensor = only_matrix(readable_matrices(index), path);
  const auto entry = index.files.find(*tensor);
  if (entry == index.files.end()) no_such_tensor(*tensor, names, path);

  const auto file = MappedFile::open(index.shard_path(entry->second));
  const SafetensorsHeader header = read_safetensors_header(*file);
  if (!header.tensors.contains(*tensor))
    bad_file(
        path,
        "says that tensor {} is in {}, which does not have it; fetch index and shards of the same version",
        in_quotes(*tensor), in_quotes(entry->second));
  return tensor_of(file, header, *tensor);
}

/// Where the ':' before a tensor's name is; npos if there is none.
size_t tensor_separator(std::string_view text) {
  for (size_t colon = text.find(':'); colon != std::string_view::npos; colon = text.find(':', colon + 1)) {
    const std::string_view before = text.substr(0, colon);
    if (before.ends_with(".safetensors") || is_shard_index(before) || before.ends_with(".npy")) return colon;
  }
  if (text.ends_with(".safetensors") || is_shard_index(text) || text.ends_with(".npy"))
    return std::string_view::npos;
  const size_t colon = text.rfind(':');
  const size_t slash = text.rfind('/');
  return slash != std::string_view::npos && colon < slash ? std::string_view::npos : colon;
}

}  // namespace

PathAndTensor split_path_and_tensor(std::string_view path_and_tensor) {
  const auto fault = [&](const char* what) {
    return Error(ErrorCode::usage, fmt::format("{} {}, expected PATH or PATH:TENSOR, e.g. "
                                               "model.safetensors:lm_head.weight",
                                               in_quotes(path_and_tensor), what));
  };
  if (path_and_tensor.find('\0') != std::string_view::npos) throw fault("has a null character");
  std::error_code ignored;
  const size_t colon = std::filesystem::exists(path_and_tensor, ignored) ? std::string_view::npos
                                                                         : tensor_separator(path_and_tensor);
  PathAndTensor split{std::string(path_and_tensor.substr(0, colon)), std::nullopt};
  if (split.path.empty()) throw fault("has no path");
  if (colon != std::string_view::npos) {
    split.tensor = path_and_tensor.substr(colon + 1);
    if (split.tensor->empty()) throw fault("has no tensor name after the ':'");
  }
  return split;
}

TensorFile open_tensor(const std::string& path_and_tensor, const TensorFileOptions& options) {
  const PathAndTensor split = split_path_and_tensor(path_and_tensor);
  if (!split.path.ends_with(".npy")) return open_safetensors(split.path, split.tensor);
  if (split.tensor)
    throw Error(ErrorCode::usage,
                fmt::format("{} names tensor {}, but a .npy file holds one array without a name; "
                            "leave the name out",
                            in_quotes(path_and_tensor), in_quotes(*split.tensor)));
  return open_npy(split.path, options);
}

TensorFile open_safetensors(const std::string& path, const std::optional<std::string>& tensor) {
  std::error_code ignored;
  const std::string file = std::filesystem::is_directory(path, ignored) ? model_file_in(path) : path;
  return is_shard_index(file) ? open_in_shards(file, tensor) : open_in_file(file, tensor);
}

void expect_matrix(const TensorView& view, std::string_view what) {
  if (view.shape.size() == 2) return;
  throw Error(ErrorCode::bad_data,
              fmt::format("{}: shape {} has {} dimensions, expected a matrix [rows, columns]; "
                          "reshape it or name another tensor",
                          what, shape_text(view.shape), view.shape.size()));
}

}  // namespace gumtile
