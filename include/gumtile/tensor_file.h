#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gumtile/dtype.h"

/// Weights and hidden states in files: safetensors (one file, a sharded model or a model's folder) and NumPy
/// .npy. Files are taken as hostile: everything a header says is checked against the file before it is used.
///
/// Every function here throws `Error`: `usage` for a malformed argument, `bad_data` for a file whose contents
/// are wrong or a tensor that is not in it, `io` for a file that is missing or cannot be read,
/// `cannot_create` for one that cannot be written. The functions keep no state and may be called from several
/// threads.
///
/// Formats: https://huggingface.co/docs/safetensors (checks as in its reference implementation, tensor.rs)
/// and https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html.
namespace gumtile {

/// A tensor in memory that someone else owns: dense, row-major, little-endian, `data` aligned to its element.
struct TensorView {
  DType dtype = DType::f32;
  std::vector<int64_t> shape;  ///< outermost dimension first; empty for a scalar
  const std::byte* data = nullptr;
  size_t size_bytes = 0;
};

/// One tensor of a file that stays open. The data is the file's own pages, read on first use, so opening a
/// model of many GB costs nothing; a tensor that the file holds unaligned is copied once instead.
///
/// Copies share the mapping; `view().data` lives as long as any of them. Reading from several threads is
/// safe. A file must not be cut short while it is open (the process would get SIGBUS): replace files by
/// renaming, as `write_safetensors` does.
class TensorFile {
 public:
  /// `storage` keeps `view.data` alive.
  TensorFile(TensorView view, std::string path, std::string name, std::shared_ptr<const void> storage)
      : view_(std::move(view)),
        path_(std::move(path)),
        name_(std::move(name)),
        storage_(std::move(storage)) {}

  const TensorView& view() const { return view_; }
  const std::string& path() const { return path_; }  ///< the file that holds the data, e.g. the shard
  const std::string& name() const { return name_; }  ///< the tensor's name; empty for .npy

 private:
  TensorView view_;
  std::string path_;
  std::string name_;
  std::shared_ptr<const void> storage_;
};

struct TensorFileOptions {
  /// Read a .npy file of '<u2' or 2-byte voids ('|V2', '<V2') as bf16. NumPy has no bf16 of its own:
  /// ml_dtypes saves it as voids, and other tools as its bits in uint16.
  bool npy_u16_is_bf16 = false;
};

struct PathAndTensor {
  std::string path;
  std::optional<std::string> tensor;
};

/// Splits "PATH:TENSOR" as given on the command line. The ':' must follow the file's suffix (.safetensors,
/// .safetensors.index.json or .npy); in a path without one, e.g. a folder, it is the last ':' of the last
/// component. A string that names an existing file or folder is all path.
PathAndTensor split_path_and_tensor(std::string_view path_and_tensor);

/// Opens what `path_and_tensor` names: `open_npy` for a path that ends in .npy, else `open_safetensors`.
TensorFile open_tensor(const std::string& path_and_tensor, const TensorFileOptions& options = {});

/// Opens a tensor of a .safetensors file, of a sharded model (its .safetensors.index.json) or of a folder
/// that holds model.safetensors.index.json or else model.safetensors. The dtype is bf16, f16 or f32, the
/// shape any.
///
/// Without `tensor`, takes the language model's head: lm_head.weight; else the token embedding that it is
/// tied to (model.embed_tokens.weight, then the one name that ends in embed_tokens.weight or wte.weight);
/// else the only matrix. Nothing is guessed from a lone shard of several without lm_head.weight, as
/// another shard may have it.
///
/// An index may only name files below its own folder, symbolic links followed; the one exception is the
/// Hugging Face hub's cache, where snapshots/REVISION/ links into blobs/ of the same repository.
TensorFile open_safetensors(const std::string& path, const std::optional<std::string>& tensor = std::nullopt);

/// Opens a NumPy file (format 1.0, 2.0 or 3.0) of '<f4' or '<f2' in C order. A vector of n becomes shape [1,
/// n].
TensorFile open_npy(const std::string& path, const TensorFileOptions& options = {});

/// Throws `bad_data` unless `view` is a matrix; `what` names it in the message, e.g. "the weights".
void expect_matrix(const TensorView& view, std::string_view what);

/// A tensor to write: `data` is dense, row-major and little-endian, of shape × dtype bytes.
struct NamedTensor {
  std::string name;
  DType dtype = DType::f32;
  std::vector<int64_t> shape;
  std::span<const std::byte> data;
};

/// Writes a .safetensors file with every tensor aligned to its element. The file appears complete, or not at
/// all, and takes the place of an existing one without disturbing those who have it open.
void write_safetensors(const std::string& path, std::span<const NamedTensor> tensors);

}  // namespace gumtile
