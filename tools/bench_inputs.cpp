#include "tools/bench_inputs.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "gumtile/error.h"
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

namespace {

/// An input's value in every row that leaves it out.
template <typename T>
DeviceArray absent_values(const std::shared_ptr<Engine>& engine, const head::Field& field, size_t count) {
  return DeviceArray::of(engine, std::vector<T>(count, static_cast<T>(field.absent.value)));
}

DeviceArray absent_values(const std::shared_ptr<Engine>& engine, const head::Field& field, DType dtype,
                          size_t count) {
  switch (dtype) {
    case DType::f32:
      return absent_values<float>(engine, field, count);
    case DType::i32:
      return absent_values<int32_t>(engine, field, count);
    case DType::u32:
      return absent_values<uint32_t>(engine, field, count);
    case DType::u64:
      return absent_values<uint64_t>(engine, field, count);
    default:
      break;
  }
  throw Error(ErrorCode::internal, fmt::format("input '{}' has no values to measure with", field.name));
}

}  // namespace

BatchArrays::BatchArrays(const std::shared_ptr<Engine>& engine, const MeasuredHead& head, int64_t rows)
    : outputs_(engine, head, head.features, rows, args_) {
  const auto count = static_cast<size_t>(rows);
  std::vector<uint64_t> seeds(count);
  std::iota(seeds.begin(), seeds.end(), uint64_t{1});
  args_.rows = rows;
  args_.hidden_states =
      keep(synthetic_array(engine, rows * head.hidden_size, head.hidden_dtype, 1, 1.0f)).data();
  args_.temperature = keep(DeviceArray::of(engine, std::vector<float>(count, 1.0f))).as<float>();
  args_.seed = keep(DeviceArray::of(engine, seeds)).as<uint64_t>();
  const SamplingOptions sampling = sampling_options(head, head.features);
  for (const head::Field& field : head::fields()) {
    const head::FeatureBit* feature = head::find_feature(field.feature);
    if (field.kind != head::FieldKind::input || feature == nullptr || (head.features & feature->bit) == 0)
      continue;
    const size_t elements = field.over == Over::one     ? 1
                            : field.over == Over::vocab ? static_cast<size_t>(head.vocab_size)
                                                        : count;
    set_pointer(args_, field,
                keep(absent_values(engine, field, head::element_type(field, sampling), elements)).data());
  }
}

}  // namespace gumtile::tools
