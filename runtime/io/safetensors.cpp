#include "safetensors.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <tuple>

#include "fault.h"
#include "strict_json.h"

namespace gumtile::io {
namespace {

using nlohmann::json;

static_assert(std::endian::native == std::endian::little, "the data of both formats is little-endian");

// The reference implementation's limits (safetensors/src/tensor.rs, MAX_HEADER_SIZE and N_LEN).
constexpr uint64_t kLargestHeader = 100'000'000;
constexpr uint64_t kLengthBytes = 8;

[[noreturn]] void bad_tensor(const std::string& file, std::string_view tensor, std::string_view message) {
  bad_file(file, "tensor {} {}", in_quotes(tensor), message);
}

/// The JSON text of the header.
std::string_view header_text(const MappedFile& file) {
  const std::string_view text = file.text();
  if (text.starts_with("version https://git-lfs"))
    bad_file(file.path(),
             "holds a Git LFS pointer, expected the data that it stands for; run 'git lfs pull'");
  if (text.size() < kLengthBytes)
    bad_file(file.path(),
             "is {} bytes long, expected the 8 bytes of a header length at least; fetch the file again",
             text.size());
  uint64_t length = 0;
  std::memcpy(&length, text.data(), kLengthBytes);
  if (length > kLargestHeader)
    bad_file(file.path(),
             "the header length is {} bytes, expected at most {}; this is no safetensors file (a PyTorch or "
             "GGUF file "
             "must be converted first)",
             length, kLargestHeader);
  if (length > text.size() - kLengthBytes)
    bad_file(file.path(),
             "the header length is {} bytes, but only {} follow it; the file is truncated, fetch it again",
             length, text.size() - kLengthBytes);
  const std::string_view header = text.substr(kLengthBytes, length);
  if (!header.starts_with('{'))
    bad_file(file.path(),
             "the header does not begin with '{{'; this is no safetensors file, or a damaged one");
  return header;
}

const json& field(const json& info, const char* key, const std::string& file, std::string_view tensor) {
  if (!info.contains(key))
    bad_tensor(
        file, tensor,
        fmt::format("has no field '{}', expected dtype, shape and data_offsets; write the file anew", key));
  return info.at(key);
}

uint64_t unsigned_integer(const json& value, const char* key, const std::string& file,
                          std::string_view tensor) {
  constexpr uint64_t kLargest = std::numeric_limits<int64_t>::max();
  if (!value.is_number_unsigned() || value.get<uint64_t>() > kLargest) {
    const std::string found = value.is_number() ? value.dump() : value.type_name();
    bad_tensor(file, tensor,
               fmt::format("has {} in its '{}', expected an integer from 0 to 2^63-1; write the file anew",
                           found, key));
  }
  return value.get<uint64_t>();
}

const json& array_field(const json& info, const char* key, const std::string& file, std::string_view tensor) {
  const json& value = field(info, key, file, tensor);
  if (!value.is_array())
    bad_tensor(file, tensor,
               fmt::format("has a '{}' that is a JSON {}, expected an array of integers; write the file anew",
                           key, value.type_name()));
  return value;
}

StoredTensor parse_tensor(const json& info, const std::string& file, std::string_view name) {
  if (!info.is_object())
    bad_tensor(
        file, name,
        fmt::format(
            "is described by a JSON {}, expected an object of dtype, shape and data_offsets; write the "
            "file anew",
            info.type_name()));
  const json& dtype = field(info, "dtype", file, name);
  if (!dtype.is_string())
    bad_tensor(file, name,
               fmt::format("has a 'dtype' that is a JSON {}, expected a string; write the file anew",
                           dtype.type_name()));
  StoredTensor tensor{};
  tensor.type = find_stored_dtype(dtype.get_ref<const std::string&>());
  if (tensor.type == nullptr)
    bad_tensor(
        file, name,
        fmt::format(
            "has the unknown dtype {}, expected one of the safetensors format; convert the tensor to {}",
            in_quotes(dtype.get_ref<const std::string&>()), readable_dtypes()));
  for (const json& size : array_field(info, "shape", file, name))
    tensor.shape.push_back(static_cast<int64_t>(unsigned_integer(size, "shape", file, name)));
  const json& offsets = array_field(info, "data_offsets", file, name);
  if (offsets.size() != 2)
    bad_tensor(file, name,
               fmt::format("has {} 'data_offsets', expected two: begin and end; write the file anew",
                           offsets.size()));
  tensor.begin = unsigned_integer(offsets[0], "data_offsets", file, name);
  tensor.end = unsigned_integer(offsets[1], "data_offsets", file, name);
  return tensor;
}

/// Checks one tensor's range against its shape and type, and against the data that the file has.
void check_extent(const StoredTensor& tensor, uint64_t data_bytes, const std::string& file,
                  std::string_view name) {
  uint64_t bits = tensor.type->bits;
  bool overflow = false;
  for (const int64_t size : tensor.shape)
    overflow |= __builtin_mul_overflow(bits, static_cast<uint64_t>(size), &bits);
  if (overflow)
    bad_tensor(file, name,
               fmt::format("has shape {}, whose size in bits overflows 64; write the file anew",
                           shape_text(tensor.shape)));
  if (tensor.begin > tensor.end)
    bad_tensor(file, name,
               fmt::format("begins at byte {} and ends at {}, expected begin <= end; write the file anew",
                           tensor.begin, tensor.end));
  if (tensor.end > data_bytes)
    bad_tensor(
        file, name,
        fmt::format(
            "ends at byte {} of the data, but the file has only {}; the file is truncated, fetch it again",
            tensor.end, data_bytes));
  if (bits % 8 != 0 || bits / 8 != tensor.end - tensor.begin)
    bad_tensor(
        file, name,
        fmt::format(
            "of dtype {} and shape {} takes {} bits, but its data_offsets hold {} bytes; write the file "
            "anew",
            tensor.type->name, shape_text(tensor.shape), bits, tensor.end - tensor.begin));
}

/// Checks that the tensors cover the data exactly: every byte is in exactly one tensor.
void check_layout(const SafetensorsHeader& header, uint64_t data_bytes, const std::string& file) {
  using Entry = std::pair<const std::string, StoredTensor>;
  std::vector<const Entry*> in_order;
  for (const Entry& entry : header.tensors) {
    check_extent(entry.second, data_bytes, file, entry.first);
    in_order.push_back(&entry);
  }
  std::ranges::stable_sort(in_order, {},
                           [](const Entry* e) { return std::tuple(e->second.begin, e->second.end); });
  uint64_t end = 0;
  std::string_view last;
  for (const Entry* entry : in_order) {
    const uint64_t begin = entry->second.begin;
    if (begin < end)
      bad_tensor(
          file, entry->first,
          fmt::format(
              "begins at byte {}, but tensor {} reaches to {}, expected no overlap; write the file anew",
              begin, in_quotes(last), end));
    if (begin > end)
      bad_tensor(file, entry->first,
                 fmt::format(
                     "begins at byte {}, but the data before it ends at {}, expected no hole; write the file "
                     "anew",
                     begin, end));
    end = entry->second.end;
    last = entry->first;
  }
  if (end != data_bytes)
    bad_file(
        file,
        "the tensors end at byte {} of the data, but {} bytes follow, expected none; write the file anew",
        end, data_bytes - end);
}

/// Absent, null or an object of strings: the reference implementation reads it as an optional map.
void check_metadata(const json& metadata, const std::string& file) {
  if (metadata.is_null()) return;
  if (!metadata.is_object())
    bad_file(file, "'__metadata__' is a JSON {}, expected an object of strings; write the file anew",
             metadata.type_name());
  for (const auto& [key, value] : metadata.items())
    if (!value.is_string())
      bad_file(file, "'__metadata__' has a JSON {} for {}, expected a string; write the file anew",
               value.type_name(), in_quotes(key));
}

}  // namespace

std::vector<std::string> SafetensorsHeader::names() const {
  std::vector<std::string> names;
  for (const auto& [name, tensor] : tensors) names.push_back(name);
  return names;
}

SafetensorsHeader read_safetensors_header(const MappedFile& file) {
  const std::string_view text = header_text(file);
  const json parsed = parse_strict_json(text, file.path(), "the header");
  SafetensorsHeader header;
  header.data_begin = kLengthBytes + text.size();
  for (const auto& [name, info] : parsed.items()) {
    if (name == "__metadata__")
      check_metadata(info, file.path());
    else
      header.tensors.emplace(name, parse_tensor(info, file.path(), name));
  }
  check_layout(header, file.bytes().size() - header.data_begin, file.path());
  return header;
}

TensorFile tensor_of(const std::shared_ptr<const MappedFile>& file, const SafetensorsHeader& header,
                     const std::string& name) {
  const StoredTensor& tensor = header.tensors.at(name);
  if (!tensor.type->is_readable())
    bad_tensor(file->path(), name,
               fmt::format("is of dtype {}, expected one of {}; convert it first", tensor.type->name,
                           readable_dtypes()));
  const auto data = file->bytes().subspan(header.data_begin + tensor.begin, tensor.end - tensor.begin);
  return tensor_in(file, name, *tensor.type->dtype, tensor.shape, data);
}

}  // namespace gumtile::io
