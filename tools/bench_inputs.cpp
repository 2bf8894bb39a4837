#include "tools/bench_inputs.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "tools/synthetic.h"

namespace gumtile::tools {

std::vector<DeviceArray> make_weight_copies(const std::shared_ptr<Engine>& engine,
                                            const LmHeadOptions& options) {
  constexpr int64_t kEnough = int64_t{1} << 30;  // several times the largest last-level caches
  constexpr int64_t kMaxCopies = 16;
  const int64_t elements = options.vocab_size * options.hidden_size;
  const int64_t bytes = elements * static_cast<int64_t>(size_bytes(options.weights_dtype));
  const int64_t count = std::clamp<int64_t>((kEnough + bytes - 1) / bytes, 1, kMaxCopies);
  const float scale = 1.0f / std::sqrt(static_cast<float>(options.hidden_size));
  std::vector<DeviceArray> copies;
  for (int64_t copy = 0; copy < count; ++copy)
    copies.push_back(synthetic_array(engine, elements, options.weights_dtype, 0, scale));
  return copies;
}

BatchArrays::BatchArrays(const std::shared_ptr<Engine>& engine, const MeasuredHead& options, int64_t rows) {
  const auto count = static_cast<size_t>(rows);
  std::vector<uint64_t> seeds(count);
  std::iota(seeds.begin(), seeds.end(), uint64_t{1});
  args_.rows = rows;
  args_.hidden_states =
      keep(synthetic_array(engine, rows * options.hidden_size, options.hidden_dtype, 1, 1.0f))->data();
  args_.temperature = keep(DeviceArray::of(engine, std::vector<float>(count, 1.0f)))->as<float>();
  args_.seed = keep(DeviceArray::of(engine, seeds))->as<uint64_t>();
  token_ = keep(DeviceArray(engine, count * sizeof(int32_t)));
  args_.token = token_->as<int32_t>();
  if (options.logprob) {
    logprob_ = keep(DeviceArray(engine, count * sizeof(float)));
    args_.logprob = logprob_->as<float>();
  }
  status_ = keep(DeviceArray(engine, count * sizeof(uint32_t)));
  args_.status = status_->as<uint32_t>();
}

}  // namespace gumtile::tools
