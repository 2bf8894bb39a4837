#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "gumtile/lm_head.h"
#include "tools/call_outputs.h"
#include "tools/device_array.h"

/// The made-up data on which a sampling head is measured, the same on every machine.
namespace gumtile::tools {

/// A head, and what launches request of it. Only the types of its arrays matter: the arrays are made up.
struct MeasuredHead : LmHeadOptions {
  Features features = feature_logprob;
};

/// Equal weights [vocab_size, hidden_size] at different addresses, to be used in turn so that no cache holds
/// what is read next: one copy if they are larger than any cache.
std::vector<DeviceArray> make_weight_copies(const std::shared_ptr<Engine>& engine,
                                            const LmHeadOptions& options);

/// The arrays of a batch, without a workspace: hidden states, temperatures of 1, one seed per row, the
/// defaults for the inputs of the head's features, and all requested outputs.
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
