#include <algorithm>
#include <nlohmann/json.hpp>
#include <string_view>
#include <vector>

#include "fault.h"
#include "gumtile/tensor_file.h"
#include "runtime/io/output_file.h"
#include "stored_dtype.h"

namespace gumtile {
namespace {

using namespace io;
using nlohmann::json;

[[noreturn]] void bad_argument(const NamedTensor& tensor, std::string_view what) {
  throw Error(ErrorCode::usage, fmt::format("write_safetensors: tensor {} {}", in_quotes(tensor.name), what));
}

void check(const NamedTensor& tensor) {
  if (tensor.name == "__metadata__") bad_argument(tensor, "has the format's reserved name; choose another");
  uint64_t bytes = size_bytes(tensor.dtype);
  for (const int64_t size : tensor.shape)
    if (size < 0 || __builtin_mul_overflow(bytes, static_cast<uint64_t>(size), &bytes))
      bad_argument(tensor, fmt::format("has the impossible shape {}", shape_text(tensor.shape)));
  if (bytes != tensor.data.size())
    bad_argument(tensor, fmt::format("of {} {} takes {} bytes, but {} are given", name(tensor.dtype),
                                     shape_text(tensor.shape), bytes, tensor.data.size()));
}

std::string header_of(std::span<const NamedTensor* const> tensors) {
  json header = json::object();
  size_t offset = 0;
  for (const NamedTensor* tensor : tensors) {
    if (header.contains(tensor->name)) bad_argument(*tensor, "is given twice; names must be unique");
    header[tensor->name] = {{"dtype", stored_dtype(tensor->dtype).name},
                            {"shape", tensor->shape},
                            {"data_offsets", {offset, offset + tensor->data.size()}}};
    offset += tensor->data.size();
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const json::exception&) {
    throw Error(ErrorCode::usage, "write_safetensors: a tensor's name is not UTF-8");
  }
  text.append((8 - text.size() % 8) % 8,
              ' ');  // the data begins aligned, as the reference implementation has it
  return text;
}

}  // namespace

void write_safetensors(const std::string& path, std::span<const NamedTensor> tensors) {
  std::vector<const NamedTensor*> in_order;
  for (const NamedTensor& tensor : tensors) {
    check(tensor);
    in_order.push_back(&tensor);
  }
  // Large elements first, so that each tensor is aligned without padding, which the format forbids.
  std::ranges::stable_sort(in_order, std::greater<>(),
                           [](const NamedTensor* t) { return size_bytes(t->dtype); });
  const std::string header = header_of(in_order);

  // It replaces an existing file: truncating a file that another process has mapped would kill that process
  // with SIGBUS.
  const uint64_t length = header.size();
  std::vector<std::string_view> parts{{reinterpret_cast<const char*>(&length), sizeof length}, header};
  for (const NamedTensor* tensor : in_order)
    parts.emplace_back(reinterpret_cast<const char*>(tensor->data.data()), tensor->data.size());
  OutputFile(path).write(parts);
}

}  // namespace gumtile
