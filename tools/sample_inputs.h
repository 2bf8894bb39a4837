#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "gumtile/engine.h"
#include "gumtile/tensor_file.h"
#include "tools/device_array.h"

namespace gumtile::tools {

/// Where `sample` takes its matrices from; texts as given on the command line, empty for options left out.
struct InputOptions {
  std::string weights;
  std::string hidden_states;
  std::string synthetic;
  std::string dtype;
  std::string hidden_dtype;
  bool npy_u16_is_bf16 = false;
};

/// Weights [vocab, hidden] and hidden states [rows, hidden], checked against each other but not read yet.
struct SampleInputs {
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  int64_t rows = 0;
  DType weights_dtype = DType::bf16;
  DType hidden_dtype = DType::bf16;
  std::optional<TensorFile> weights;        ///< absent: synthetic
  std::optional<TensorFile> hidden_states;  ///< absent: synthetic
};

/// Opens the files. Throws Error.
SampleInputs open_inputs(const InputOptions& options);

/// A matrix where the device can read it: in the file's own pages on a CPU, else a copy.
struct PlacedMatrix {
  const void* data = nullptr;
  std::optional<DeviceArray> copy;
};
PlacedMatrix place_weights(const std::shared_ptr<Engine>& engine, const SampleInputs& inputs);
PlacedMatrix place_hidden_states(const std::shared_ptr<Engine>& engine, const SampleInputs& inputs);

}  // namespace gumtile::tools
