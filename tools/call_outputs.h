#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "gumtile/lm_head.h"
#include "head/fields.h"
#include "tools/device_array.h"

namespace gumtile::tools {

/// The outputs of a call that are per row, each in separate memory: those that every call has, and those of
/// the requested features.
class CallOutputs {
 public:
  struct Output {
    const head::Field* field;
    DType dtype;
    DeviceArray array;
  };

  /// Tokens are -1 and all other outputs 0 until a launch writes them. Sets the members of `args`.
  CallOutputs(const std::shared_ptr<Engine>& engine, const LmHeadOptions& head, Features features,
              int64_t rows, SampleArgs& args);

  const std::vector<Output>& all() const { return outputs_; }
  /// An output's values, by its field's name or by the field itself; every 32-bit value is exact as a double.
  /// Empty for an output that was not requested.
  std::vector<double> read(std::string_view field) const;
  std::vector<double> read(const Output& output) const;

 private:
  std::vector<Output> outputs_;
  size_t rows_;
};

/// Sets the pointer in `args` of a field of the table.
void set_pointer(SampleArgs& args, const head::Field& field, void* data);

}  // namespace gumtile::tools
