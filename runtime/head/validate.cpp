#include "runtime/head/validate.h"

#include <fmt/format.h>

#include "head/fields.h"
#include "runtime/head/bindings.h"
#include "runtime/head/host_indices.h"

namespace gumtile::head {
namespace {

/// The elements of an array that a call certainly reads or writes. The values of indices are known only on
/// the device.
size_t elements(const Field& field, const LmHeadOptions& options, const gumtile_sample_args& args,
                int64_t hidden_row_stride, size_t slots) {
  const auto rows = static_cast<size_t>(args.rows);
  switch (field.over) {
    case Over::one:
      return 1;
    case Over::rows:
      return field.name == "token" && args.token_position != nullptr ? 1 : rows;
    case Over::slots:
      return slots;
    case Over::vocab:
      return static_cast<size_t>(options.vocab_size);
    case Over::rows_hidden:
      return ((args.hidden_index == nullptr ? rows : 1) - 1) * static_cast<size_t>(hidden_row_stride) +
             static_cast<size_t>(options.hidden_size);
  }
  return 0;
}

}  // namespace

std::vector<std::string> array_faults(const Engine& engine, const LmHeadOptions& options,
                                      const gumtile_sample_args& args, int64_t hidden_row_stride,
                                      size_t slots) {
  std::vector<std::string> faults;
  const SamplingOptions sampling = sampling_options(options, kNoFeatures);
  const std::vector<size_t> offsets = member_offsets(fields());
  for (size_t i = 0; i < fields().size(); ++i) {
    const Field& field = fields()[i];
    if (field.kind != FieldKind::input && field.kind != FieldKind::output) continue;
    const void* const data = pointer_at(args, offsets[i]);
    if (data == nullptr && field.absent.kind != Absent::Kind::refused) continue;
    const size_t bytes = size_bytes(element_type(field, sampling));
    if (reinterpret_cast<uintptr_t>(data) % bytes != 0)
      faults.push_back(fmt::format("{}: {} is not a multiple of {} bytes", field.name, data, bytes));
    const std::string fault =
        engine.pointer_fault(data, elements(field, options, args, hidden_row_stride, slots) * bytes);
    if (!fault.empty()) faults.push_back(fmt::format("{}: {}", field.name, fault));
  }
  if (!faults.empty() || engine.device().target.is_cuda()) return faults;

  IndexedArrays arrays;
  arrays.slots = static_cast<int64_t>(slots);
  const auto hidden_bytes = static_cast<int64_t>(size_bytes(options.hidden_dtype));
  arrays.hidden_row_bytes = hidden_row_stride * hidden_bytes;
  arrays.hidden_bytes = options.hidden_size * hidden_bytes;
  arrays.token_bytes = static_cast<int64_t>(size_bytes(options.token_dtype));
  arrays.memory_fault = [&](const void* data, size_t bytes) { return engine.pointer_fault(data, bytes); };
  return host_index_faults(args, arrays);
}

}  // namespace gumtile::head
