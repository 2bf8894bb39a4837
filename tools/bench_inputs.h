#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "gumtile/lm_head.h"
#include "tools/device_array.h"

/// What a sampling head is measured on: made-up data, the same on every machine.
namespace gumtile::tools {

/// A head, and whether its log-probabilities are asked for.
struct MeasuredHead : LmHeadOptions {
  bool logprob = true;
  Features features() const { return logprob ? Features{feature_logprob} : kNoFeatures; }
};

/// Equal weights [vocab_size, hidden_size] at different addresses, to be used in turn so that no cache holds
/// what is read next: one copy where they are larger than any cache.
std::vector<DeviceArray> make_weight_copies(const std::shared_ptr<Engine>& engine,
                                            const LmHeadOptions& options);

/// What a batch reads and writes, without a workspace: hidden states, temperatures of 1, a seed for each row,
/// and all outputs that are asked for.
class BatchArrays {
 public:
  BatchArrays(const std::shared_ptr<Engine>& engine, const MeasuredHead& options, int64_t rows);

  /// The addresses; the workspace is left to the caller.
  const SampleArgs& args() const { return args_; }

  std::vector<int32_t> tokens() const { return token_->read<int32_t>(count()); }
  std::vector<uint32_t> statuses() const { return status_->read<uint32_t>(count()); }
  /// Empty where log-probabilities are not asked for.
  std::vector<float> logprobs() const {
    return logprob_ == nullptr ? std::vector<float>() : logprob_->read<float>(count());
  }

 private:
  DeviceArray* keep(DeviceArray array) { return &arrays_.emplace_back(std::move(array)); }
  size_t count() const { return static_cast<size_t>(args_.rows); }

  std::deque<DeviceArray> arrays_;
  DeviceArray* token_ = nullptr;
  DeviceArray* logprob_ = nullptr;
  DeviceArray* status_ = nullptr;
  SampleArgs args_;
};

}  // namespace gumtile::tools
