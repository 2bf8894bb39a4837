#include "runtime/engine/arguments.h"

#include <fmt/format.h>

#include "gumtile/error.h"

namespace gumtile::engine {

ArgumentLayout::ArgumentLayout(const LaunchSpec& spec) {
  if (abi::word_count(spec) > abi::kMaxWords) {
    throw Error(
        ErrorCode::internal,
        fmt::format(
            "a kernel of {} inputs and {} outputs takes {} argument words; a launch passes at most {}",
            spec.inputs.size(), spec.outputs.size(), abi::word_count(spec), abi::kMaxWords));
  }
  auto demand = [](const LaunchSpec::Argument& argument, int64_t min_row_stride) {
    return Demand{size_bytes(argument.dtype) - 1, argument.axes == 2 ? min_row_stride : 0, argument.optional};
  };
  for (const LaunchSpec::Argument& input : spec.inputs) inputs_.push_back(demand(input, 1));
  for (const LaunchSpec::Argument& output : spec.outputs) outputs_.push_back(demand(output, spec.columns));
}

Status ArgumentLayout::pack(std::span<const Binding> inputs, std::span<const Binding> outputs,
                            abi::Words& words) const noexcept {
  if (inputs.size() != inputs_.size() || outputs.size() != outputs_.size()) return Status::invalid_argument;
  uint64_t* next = words.data() + abi::word_tensors;
  for (size_t i = 0; i < inputs.size(); ++i, next += abi::kWordsPerTensor)
    if (!pack_one(inputs_[i], inputs[i], next)) return Status::invalid_argument;
  for (size_t i = 0; i < outputs.size(); ++i, next += abi::kWordsPerTensor)
    if (!pack_one(outputs_[i], outputs[i], next)) return Status::invalid_argument;
  return Status::ok;
}

bool ArgumentLayout::pack_one(const Demand& demand, const Binding& binding, uint64_t* words) noexcept {
  const uint64_t address = reinterpret_cast<uintptr_t>(binding.data);
  words[0] = address;
  words[1] = static_cast<uint64_t>(binding.row_stride);
  if (address == 0) return demand.optional;
  return (address & demand.misalignment) == 0 && binding.row_stride >= demand.min_row_stride;
}

}  // namespace gumtile::engine
