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
#include "gumtile/head_settings.h"

/// Weights and hidden states in files: safetensors (one file, a sharded model or a model's folder) and NumPy
/// .npy. Files are treated as hostile: everything that a header says is checked against the file before it is
/// used.
///
/// Every function here throws `Error`: `usage` for a malformed argument, `bad_data` for a file whose contents
/// are wrong or a tensor that is not in it, `io` for a file that is missing or cannot be read,
/// `cannot_create` for one that cannot be written. The functions keep no state and may be called from several
/// threads.
///
/// Formats: https://huggingface.co/docs/safetensors (checks as in its reference implementation, tensor.rs)
/// and https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html.
namespace gumtile {

/// A tensor in memory that it does not own: dense, row-major, little-endian, `data` aligned to its element.
struct TensorView {
  DType dtype = DType::f32;
  std::vector<int64_t> shape;  ///< outermost dimension first; empty for a scalar
  const std::byte* data = nullptr;
  size_t size_bytes = 0;
};

namespace io {
class MappedFile;
}

/// One tensor of a file that stays open. The data is the file's own pages, read on first use, so opening a
/// model of many GB costs nothing; if the file holds a tensor unaligned, it is copied once instead.
///
/// Copies share the mapping; `view().data` lives as long as any of them. Reading from several threads is
/// safe. A file must not be truncated while it is open. Replace files by renaming, as `write_safetensors`
/// does. Touching a page past the new end raises SIGBUS on the thread that touches it, and the rest of the
/// last page reads as zeros. The library installs no signal handler: that is left to the program. The
/// `gumtile` command installs one, and ends with `ErrorCode::io`. `expect_whole` detects the zeros.
class TensorFile {
 public:
  /// `storage` keeps `view.data` alive. `file`: the source of its pages; null if they are a copy.
  TensorFile(TensorView view, std::string path, std::string name, std::shared_ptr<const void> storage,
             std::shared_ptr<const io::MappedFile> file = nullptr)
      : view_(std::move(view)),
        path_(std::move(path)),
        name_(std::move(name)),
        storage_(std::move(storage)),
        file_(std::move(file)) {}

  const TensorView& view() const { return view_; }
  const std::string& path() const { return path_; }  ///< the file that holds the data, e.g. the shard
  const std::string& name() const { return name_; }  ///< the tensor's name; empty for .npy

  /// Throws Error(io) if the file has been truncated since it was opened. Call it after the data was read.
  void expect_whole() const;

 private:
  TensorView view_;
  std::string path_;
  std::string name_;
  std::shared_ptr<const void> storage_;
  std::shared_ptr<const io::MappedFile> file_;
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
/// component. A string that names an existing file or folder is a path without a tensor.
PathAndTensor split_path_and_tensor(std::string_view path_and_tensor);

/// Opens what `path_and_tensor` names: `open_npy` for a path that ends in .npy, else `open_safetensors`.
TensorFile open_tensor(const std::string& path_and_tensor, const TensorFileOptions& options = {});

/// Opens a tensor of a .safetensors file, of a sharded model (its .safetensors.index.json) or of a folder
/// that holds model.safetensors.index.json or else model.safetensors. The dtype is bf16, f16 or f32, the
/// shape any. Without `tensor`, opens the tensor that `open_lm_head` chooses.
///
/// An index may only name files below its own folder, symbolic links followed; the one exception is the
/// Hugging Face hub's cache, where snapshots/REVISION/ links into blobs/ of the same repository.
TensorFile open_safetensors(const std::string& path, const std::optional<std::string>& tensor = std::nullopt);

/// The LM head of a model, as stored in its files.
struct LmHeadFile {
  TensorFile weights;  ///< a matrix [rows, hidden_size] without empty sides
  /// How many of the rows are tokens: fewer than all if config.json says that the rest is padding.
  int64_t vocab_size = 0;
  /// Notes for the user, one sentence each: how the tensor was chosen if its name does not say so, what
  /// changes the model's logits and is neither in `weights` nor in `settings`, and where config.json differs
  /// from the tensor, apart from padding.
  std::vector<std::string> notes;
  /// What else the model does to its logits: numbers from config.json, and arrays from the tensors beside the
  /// head, each with one element per row of `weights`. Their addresses are memory of this process.
  HeadSettings settings = {};
  std::vector<TensorFile> arrays = {};  ///< keep that memory
};

/// Opens the LM head that `path_and_tensor` names, together with the config.json beside it if there is one.
/// The path is as in `open_tensor`. Without a tensor's name the head is looked up by the names, dtypes and
/// shapes of all tensors and by config.json (docs/models.md has the rules): `lm_head.weight`; else the
/// readable matrix of the token embedding's shape that another name identifies as the head; else the token
/// embedding that the head is tied to; else the only matrix.
///
/// If the head is not readable as one matrix (quantised, wrapped, adapted by LoRA, transposed, or missing
/// although config.json says that it is not tied), nothing else is used in its place: that is Error(bad_data)
/// with the tensors that were found. A named tensor is used as it is. Nothing is guessed from a single shard
/// without lm_head.weight, as another shard may have it.
LmHeadFile open_lm_head(const std::string& path_and_tensor, const TensorFileOptions& options = {});

/// Opens the hidden states that `path_and_tensor` names: `open_tensor`, but without a name it opens the only
/// matrix of a .safetensors file, and never one whose name is that of a head or an embedding.
TensorFile open_hidden_states(const std::string& path_and_tensor, const TensorFileOptions& options = {});

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
/// all, and replaces an existing one without disturbing processes that have it open.
void write_safetensors(const std::string& path, std::span<const NamedTensor> tensors);

}  // namespace gumtile
