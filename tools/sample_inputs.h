#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "gumtile/engine.h"
#include "gumtile/tensor_file.h"
#include "tools/device_array.h"
#include "tools/head_settings.h"
#include "tools/output.h"

namespace gumtile::tools {

/// The sources of `sample`'s matrices; texts as given on the command line, empty for options left out.
struct InputOptions {
  std::string weights;
  std::string hidden_states;
  std::string synthetic;
  std::string dtype;
  std::string hidden_dtype;
  int64_t vocab_size = 0;  ///< 0: all rows but padding
  int64_t first_token = 0;
  bool npy_u16_is_bf16 = false;
  SettingOptions settings;
};

/// Weights and hidden states [rows, hidden], checked against each other but not read yet. The rows
/// `first_token` to `first_token + vocab_size` of the weights are sampled from.
struct SampleInputs {
  int64_t vocab_size = 0;
  int64_t first_token = 0;
  int64_t hidden_size = 0;
  int64_t rows = 0;
  int64_t synthetic_tokens = 0;  ///< rows of synthetic weights
  DType weights_dtype = DType::bf16;
  DType hidden_dtype = DType::bf16;
  std::optional<TensorFile> weights;        ///< absent: synthetic
  std::optional<TensorFile> hidden_states;  ///< absent: synthetic
  HeadSettings settings;                    ///< arrays in files' memory; no address: synthetic
  std::vector<TensorFile> arrays;           ///< keep that memory

  /// Throws Error(io) if a file has been truncated since it was opened.
  void expect_whole_files() const;
};

/// Opens the files, and prints notes about the head on stderr. Throws Error.
SampleInputs open_inputs(const InputOptions& options);

/// "'file.safetensors' (tensor 'lm_head.weight')"
std::string describe(const TensorFile& file);
/// The file and the tensor's name; null if there is none.
Json origin_json(const std::optional<TensorFile>& file);

/// A matrix that the device can read: the file's own pages on a CPU, else a copy.
struct PlacedMatrix {
  const std::byte* data = nullptr;
  std::optional<DeviceArray> copy;
};
PlacedMatrix place_weights(const std::shared_ptr<Engine>& engine, const SampleInputs& inputs);
PlacedMatrix place_hidden_states(const std::shared_ptr<Engine>& engine, const SampleInputs& inputs);

/// The settings with arrays that the device can read, from `first_token` on.
struct PlacedSettings {
  HeadSettings settings;
  std::deque<DeviceArray> copies;
};
PlacedSettings place_settings(const std::shared_ptr<Engine>& engine, const SampleInputs& inputs);

}  // namespace gumtile::tools
