#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

#include "gumtile/error.h"
#include "gumtile/interpreter.h"
#include "gumtile/programs.h"

/// Helpers of the unit tests of Programs; they need neither compiler nor engine.
namespace gumtile::test {

/// The Error that `body` throws; a failed check if it throws none.
template <typename Body>
Error error_of(const Body& body) {
  try {
    body();
  } catch (const Error& error) {
    return error;
  }
  return {ErrorCode::internal, "no Error was thrown"};
}

/// Checks an Error's code and that its message names all of `parts`.
inline void check_error(const Error& error, ErrorCode code, const std::vector<std::string>& parts) {
  INFO("message: ", std::string(error.what()));
  CHECK(error.code() == code);
  for (const std::string& part : parts) {
    INFO("expected: ", part);
    CHECK(std::string(error.what()).find(part) != std::string::npos);
  }
}

/// Columns of a group of mask 0x39.
inline std::vector<int64_t> members(int64_t group, int64_t columns) {
  std::vector<int64_t> result;
  for (int64_t i = 0; i < 16; ++i) {
    const int64_t v = (group >> 2) * 64 + 8 * (i / 2) + 2 * (group & 3) + i % 2;
    if (v < columns) result.push_back(v);
  }
  return result;
}
inline int64_t groups_of(int64_t columns) { return (columns + 63) / 64 * 4; }

/// `text` with the only occurrence of `from` replaced.
inline std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  if (at == std::string::npos || text.find(from, at + 1) != std::string::npos)
    throw std::logic_error("'" + from + "' must occur once in:\n" + text);
  return text.replace(at, from.size(), to);
}

/// Every built-in Program in every combination of its options.
inline std::vector<Program> built_in_programs() {
  constexpr DType kFloats[] = {DType::f32, DType::bf16, DType::f16};
  std::vector<Program> all;
  for (DType hidden : kFloats) {
    for (NoiseScheme noise : {NoiseScheme::per_token, NoiseScheme::grouped})
      for (bool logprob : {false, true}) {
        for (DType token : {DType::i32, DType::i64}) {
          for (DType weights : kFloats)
            all.push_back(lm_head_sample({noise, hidden, weights, logprob, token}));
          all.push_back(sample_logits({noise, hidden, DType::bf16, logprob, token}));
        }
      }
    for (DType weights : kFloats) {
      all.push_back(greedy_argmax(hidden, weights));
      all.push_back(row_statistics(hidden, weights));
      all.push_back(cross_entropy(hidden, weights));
      for (DType out : kFloats) all.push_back(gemm(hidden, weights, out));
    }
  }
  return all;
}

/// Runs a Program on the interpreter with vectors bound by name. The vectors must outlive `run`.
class HostRun {
 public:
  HostRun(const Program& program, const Extents& extents)
      : program_(program),
        extents_(extents),
        inputs_(program.inputs.size()),
        outputs_(program.outputs.size()) {}

  /// A matrix without a stride is dense.
  template <typename T>
  HostRun& in(const std::string& name, const std::vector<T>& values, int64_t row_stride = 0) {
    const size_t i = find(program_.inputs, name);
    const std::vector<AxisId>& axes = program_.inputs[i].axes;
    if (row_stride == 0 && axes.size() == 2)
      row_stride = axes[1] == program_.column_axis ? extents_.columns : extents_.contracted;
    inputs_[i] = {values.data(), row_stride};
    return *this;
  }
  template <typename T>
  HostRun& out(const std::string& name, std::vector<T>& values, int64_t row_stride = 0) {
    const size_t i = find(program_.outputs, name);
    outputs_[i] = {values.data(), row_stride == 0 ? extents_.columns : row_stride};
    return *this;
  }
  void run() const { interpret(program_, extents_, inputs_, outputs_); }

 private:
  template <typename List>
  static size_t find(const List& list, const std::string& name) {
    for (size_t i = 0; i < list.size(); ++i)
      if (list[i].name == name) return i;
    throw std::logic_error("no input or output " + name);
  }

  const Program& program_;
  Extents extents_;
  std::vector<BoundInput> inputs_;
  std::vector<BoundOutput> outputs_;
};

}  // namespace gumtile::test
