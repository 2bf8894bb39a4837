#include "runtime/head/bindings.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "gumtile/error.h"
#include "head/fields.h"
#include "head/settings.h"

namespace gumtile::head {

const void* pointer_at(const gumtile_sample_args& args, size_t at) noexcept {
  const void* pointer = nullptr;
  std::memcpy(&pointer, reinterpret_cast<const char*>(&args) + at, sizeof pointer);
  return pointer;
}

CallBindings::CallBindings(const Program& program)
    : input_count_(program.inputs.size()), output_count_(program.outputs.size()) {
  if (input_count_ + output_count_ > kMaxTensors)
    throw Error(
        ErrorCode::usage,
        fmt::format("the head has {} inputs and {} outputs with those of its fragments; a launch passes at "
                    "most {}",
                    input_count_, output_count_, kMaxTensors));
  size_t next = 0;
  for (const InputInfo& input : program.inputs) sources_[next++] = source_of(input.name, true);
  for (const OutputInfo& output : program.outputs) sources_[next++] = source_of(output.name, false);
}

CallBindings::Source CallBindings::source_of(const std::string& name, bool input) {
  using Kind = Source::Kind;
  if (const Field* field = find_field(name)) {
    const size_t at = member_offsets(fields())[static_cast<size_t>(field - fields().data())];
    return {name == "hidden_states" ? Kind::hidden_states : Kind::call, at};
  }
  if (input && name == "weights") return {Kind::weights, 0};
  for (size_t i = 0; i < array_settings().size(); ++i)
    if (input && array_settings()[i].name == name) return {Kind::array, i};
  extra_.push_back(name);
  return {Kind::extra, extra_.size() - 1};
}

bool CallBindings::bind(const gumtile_sample_args& args, int64_t hidden_row_stride,
                        const BorrowedArrays& borrowed, std::span<const NamedBinding> extra,
                        Arrays& arrays) const noexcept {
  using Kind = Source::Kind;
  const auto readable = [](const void* data, int64_t row_stride) {
    return Binding{const_cast<void*>(data), row_stride};
  };
  for (const NamedBinding& given : extra)
    if (std::none_of(extra_.begin(), extra_.end(),
                     [&](const std::string& name) { return name == given.name; }))
      return false;
  arrays.input_count = input_count_;
  arrays.output_count = output_count_;
  for (size_t i = 0; i < input_count_ + output_count_; ++i) {
    const Source& source = sources_[i];
    Binding& binding = arrays.tensors[i];
    switch (source.kind) {
      case Kind::call:
        binding = readable(pointer_at(args, source.at), 0);
        break;
      case Kind::hidden_states:
        binding = readable(args.hidden_states, hidden_row_stride);
        break;
      case Kind::weights:
        binding = readable(borrowed.weights, borrowed.weights_row_stride);
        break;
      case Kind::array:
        binding = readable(array_settings()[source.at].data(borrowed.settings), 0);
        break;
      case Kind::extra:
        binding = {};
        for (const NamedBinding& given : extra)
          if (given.name == extra_[source.at]) binding = given.binding;
        break;
    }
  }
  return true;
}

RequestedFeatures::RequestedFeatures() {
  const std::vector<size_t> offsets = member_offsets(fields());
  for (size_t i = 0; i < fields().size(); ++i)
    if (const FeatureBit* feature = find_feature(fields()[i].feature))
      pointers_.push_back({offsets[i], feature->bit});
}

Features RequestedFeatures::of(const gumtile_sample_args& args) const noexcept {
  Features features = kNoFeatures;
  for (const Pointer& pointer : pointers_)
    if (pointer_at(args, pointer.at) != nullptr) features |= pointer.feature;
  return features;
}

}  // namespace gumtile::head
