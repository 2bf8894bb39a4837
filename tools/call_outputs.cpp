#include "tools/call_outputs.h"

#include <fmt/format.h>

#include <cstring>

#include "gumtile/error.h"

namespace gumtile::tools {
namespace {

template <typename T>
std::vector<double> widened(const std::vector<T>& values) {
  return {values.begin(), values.end()};
}

}  // namespace

void set_pointer(SampleArgs& args, const head::Field& field, void* data) {
  const std::vector<size_t> offsets = head::member_offsets(head::fields());
  const auto index = static_cast<size_t>(&field - head::fields().data());
  std::memcpy(reinterpret_cast<char*>(&args) + offsets[index], &data, sizeof data);
}

CallOutputs::CallOutputs(const std::shared_ptr<Engine>& engine, const LmHeadOptions& head, Features features,
                         int64_t rows, SampleArgs& args)
    : rows_(static_cast<size_t>(rows)) {
  const SamplingOptions sampling = sampling_options(head, features);
  for (const head::Field& field : head::fields()) {
    if (field.kind != head::FieldKind::output || field.over != Over::rows) continue;
    const head::FeatureBit* feature = head::find_feature(field.feature);
    if (feature != nullptr && (features & feature->bit) == 0) continue;
    const DType dtype = head::element_type(field, sampling);
    const std::vector<std::byte> initial(
        rows_ * size_bytes(dtype), field.type == head::FieldType::token ? std::byte{0xff} : std::byte{});
    const Output& output = outputs_.emplace_back(Output{&field, dtype, DeviceArray::of(engine, initial)});
    set_pointer(args, field, output.array.data());
  }
}

std::vector<double> CallOutputs::read(std::string_view field) const {
  for (const Output& output : outputs_)
    if (output.field->name == field) return read(output);
  return {};
}

std::vector<double> CallOutputs::read(const Output& output) const {
  switch (output.dtype) {
    case DType::i32:
      return widened(output.array.read<int32_t>(rows_));
    case DType::u32:
      return widened(output.array.read<uint32_t>(rows_));
    case DType::i64:
      return widened(output.array.read<int64_t>(rows_));
    case DType::f32:
      return widened(output.array.read<float>(rows_));
    default:
      break;
  }
  throw Error(ErrorCode::internal, fmt::format("output '{}' cannot be read", output.field->name));
}

}  // namespace gumtile::tools
