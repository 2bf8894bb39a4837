#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "gumtile/lm_head.h"
#include "tools/call_outputs.h"
#include "tools/device_array.h"

/// What a sampling head is measured on: made-up data, the same on every machine.
namespace gumtile::tools {

/// A head, and what launches ask of it. Of its arrays the types count: they are made up.
struct MeasuredHead : LmHeadOptions {
  Features features = feature_logprob;
};

/// Equal weights [vocab_size, hidden_size] at different addresses, to be used in turn so that no cache holds
/// what is read next: one copy where they are larger than any cache.
std::vector<DeviceArray> make_weight_copies(const std::shared_ptr<Engine>& engine,
                                            const LmHeadOptions& options);

/// What a batch reads and writes, without a workspace: hidden states, temperatures of 1, a seed for each row,
/// for the inputs of the head's features what they are when absent, and all outputs that are asked for.
class BatchArrays {
 public:
  BatchArrays(const std::shared_ptr<Engine>& engine, const MeasuredHead& head, int64_t rows);

  /// The addresses; the workspace is left to the caller.
  const SampleArgs& args() const { return args_; }
  const CallOutputs& outputs() const { return outputs_; }

 private:
  DeviceArray& keep(DeviceArray array) { return arrays_.emplace_back(std::move(array)); }

  SampleArgs args_;
  CallOutputs outputs_;
  std::deque<DeviceArray> arrays_;
};

}  // namespace gumtile::tools
