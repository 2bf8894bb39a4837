#include "gumtile/tensor_file.h"

#include <filesystem>
#include <system_error>

#include "fault.h"
#include "lm_head_file.h"
#include "shards.h"
#include "tensor_catalog.h"

namespace gumtile {
namespace {

using namespace io;

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
  if (tensor) return TensorCatalog(path).open(*tensor);
  return open_lm_head_in(path, std::nullopt).weights;
}

void expect_matrix(const TensorView& view, std::string_view what) {
  if (view.shape.size() == 2) return;
  throw Error(ErrorCode::bad_data,
              fmt::format("{}: shape {} has {} dimensions, expected a matrix [rows, columns]; "
                          "reshape it or name another tensor",
                          what, shape_text(view.shape), view.shape.size()));
}

}  // namespace gumtile
