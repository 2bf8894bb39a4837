#include "runtime/cache/entry.h"

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <new>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <type_traits>
#include <utility>

#include "support/hash.h"

namespace gumtile::cache {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kMagic = "gumtile\n";

/// The fixed-size start of an entry. Every format has `magic`, `hash` and `format`, and its hash covers
/// everything after `hash`, so that entries of other formats can be distinguished from damaged ones. Integers
/// are little-endian, as on all machines that have kernels.
struct Header {
  std::array<char, 8> magic{};
  std::array<char, 32> hash{};
  uint32_t format = 0;
  uint32_t key_bytes = 0;
  uint32_t metadata_bytes = 0;
  uint32_t cubin_bytes = 0;
  uint64_t code_bytes = 0;
};
static_assert(sizeof(Header) == 64);
constexpr size_t kHashedFrom = offsetof(Header, format);

/// The header, if the bytes are undamaged.
std::optional<Header> intact_header(std::string_view bytes) {
  Header header;
  if (bytes.size() < sizeof(header)) return std::nullopt;
  std::memcpy(&header, bytes.data(), sizeof(header));
  if (std::string_view(header.magic.data(), header.magic.size()) != kMagic) return std::nullopt;
  if (hash_hex(bytes.substr(kHashedFrom)) != std::string_view(header.hash.data(), header.hash.size()))
    return std::nullopt;
  return header;
}

/// The JSON library's own conversions wrap numbers that are out of range, and accept `true` as 1.
template <typename T>
T integer(const Json& json) {
  if (!json.is_number_integer()) throw std::invalid_argument("not an integer");
  const bool in_range = json.is_number_unsigned() ? std::in_range<T>(json.get<uint64_t>())
                                                  : std::in_range<T>(json.get<int64_t>());
  if (!in_range) throw std::out_of_range("an integer is out of range");
  return json.get<T>();
}

/// Lists every field once, for writing and for reading: `field(name, member)`.
template <typename Spec, typename Field>
void for_each_number(Spec& spec, const Field& field) {
  field("threads", spec.threads);
  field("shared_bytes", spec.shared_bytes);
  field("rows_per_block", spec.rows_per_block);
  field("columns", spec.columns);
  field("contracted", spec.contracted);
  field("first_column", spec.first_column);
  field("columns_per_tile", spec.columns_per_unit);  // the name that files of this ABI have
  field("record_words", spec.record_words);
  field("host_state_words", spec.host_state_words);
  field("cluster_m", spec.cluster_m);
  field("cluster_n", spec.cluster_n);
  field("packed_words", spec.packed_words);
  field("contraction_left", spec.contraction_left);
  field("contraction_right", spec.contraction_right);
  field("left_index", spec.left_index);
  field("staged_stride", spec.staged_stride);
  field("right_alignment", spec.right_alignment);
  field("left_alignment", spec.left_alignment);
}

Json arguments_json(const std::vector<LaunchSpec::Argument>& arguments) {
  Json list = Json::array();
  for (const LaunchSpec::Argument& a : arguments)
    list.push_back({{"name", a.name}, {"dtype", name(a.dtype)}, {"axes", a.axes}, {"optional", a.optional}});
  return list;
}

DType dtype_of(const Json& json) {
  const std::optional<DType> dtype = parse_dtype(json.get_ref<const std::string&>());
  if (!dtype) throw std::invalid_argument("unknown dtype");
  return *dtype;
}

std::vector<LaunchSpec::Argument> parse_arguments(const Json& list) {
  std::vector<LaunchSpec::Argument> arguments;
  for (const Json& a : list)
    arguments.push_back(
        {a.at("name"), dtype_of(a.at("dtype")), integer<int>(a.at("axes")), a.at("optional").get<bool>()});
  return arguments;
}

Json to_json(const KernelArtifact& artifact) {
  const LaunchSpec& spec = artifact.launch;
  Json launch = {{"stage", spec.stage},
                 {"sweep", spec.sweep},
                 {"finish", spec.finish},
                 {"must_stage", spec.must_stage},
                 {"staged_dtype", name(spec.staged_dtype)},
                 {"inputs", arguments_json(spec.inputs)},
                 {"outputs", arguments_json(spec.outputs)},
                 {"tensor_maps", Json::array()}};
  for_each_number(spec, [&](const char* field, auto value) { launch[field] = value; });
  for (const LaunchSpec::TensorMap& map : spec.tensor_maps)
    launch["tensor_maps"].push_back(
        {{"left", map.left}, {"box_rows", map.box_rows}, {"l2_promotion", map.l2_promotion}});
  return {{"format", format_name(artifact.format)},
          {"target", artifact.target},
          {"schedule", artifact.schedule},
          {"key", artifact.key},
          {"ptx_version", artifact.ptx_version},
          // JSON has no infinities; an entry with null here could never be read.
          {"compile_ms", std::isfinite(artifact.compile_ms) ? artifact.compile_ms : 0.0},
          {"launch", launch}};
}

KernelArtifact from_json(const Json& json) {
  KernelArtifact artifact;
  const std::optional<KernelArtifact::Format> format = parse_format(json.at("format").get<std::string>());
  if (!format) throw std::invalid_argument("unknown format");
  artifact.format = *format;
  artifact.target = json.at("target");
  artifact.schedule = json.at("schedule");
  artifact.key = json.at("key");
  artifact.ptx_version = integer<int>(json.at("ptx_version"));
  artifact.compile_ms = json.at("compile_ms").get<double>();
  const Json& launch = json.at("launch");
  LaunchSpec& spec = artifact.launch;
  spec.stage = launch.at("stage");
  spec.sweep = launch.at("sweep");
  spec.finish = launch.at("finish");
  spec.must_stage = launch.at("must_stage").get<bool>();
  spec.staged_dtype = dtype_of(launch.at("staged_dtype"));
  spec.inputs = parse_arguments(launch.at("inputs"));
  spec.outputs = parse_arguments(launch.at("outputs"));
  for_each_number(spec, [&](const char* field, auto& value) {
    value = integer<std::remove_reference_t<decltype(value)>>(launch.at(field));
  });
  for (const Json& map : launch.at("tensor_maps"))
    spec.tensor_maps.push_back(
        {map.at("left").get<bool>(), integer<int>(map.at("box_rows")), integer<int>(map.at("l2_promotion"))});
  return artifact;
}

}  // namespace

std::string_view format_name(KernelArtifact::Format format) {
  switch (format) {
    case KernelArtifact::Format::ptx:
      return "ptx";
    case KernelArtifact::Format::cubin:
      return "cubin";
    case KernelArtifact::Format::shared_object:
      return "shared_object";
  }
  return "";
}

std::optional<KernelArtifact::Format> parse_format(std::string_view text) {
  for (auto format :
       {KernelArtifact::Format::ptx, KernelArtifact::Format::cubin, KernelArtifact::Format::shared_object})
    if (format_name(format) == text) return format;
  return std::nullopt;
}

std::string encode_entry(std::string_view key_text, const KernelArtifact& artifact) {
  const std::string metadata = to_json(artifact).dump();  // throws for text that JSON cannot hold: not stored
  for (const size_t size : {key_text.size(), metadata.size(), artifact.cubin.size()})
    if (!std::in_range<uint32_t>(size)) throw std::length_error("a part of an entry exceeds 4 GiB");
  Header header;
  std::memcpy(header.magic.data(), kMagic.data(), kMagic.size());
  header.format = kEntryFormat;
  header.key_bytes = static_cast<uint32_t>(key_text.size());
  header.metadata_bytes = static_cast<uint32_t>(metadata.size());
  header.cubin_bytes = static_cast<uint32_t>(artifact.cubin.size());
  header.code_bytes = artifact.code.size();
  std::string bytes(reinterpret_cast<const char*>(&header), sizeof(header));
  bytes.reserve(sizeof(header) + key_text.size() + metadata.size() + artifact.code.size() +
                artifact.cubin.size());
  bytes.append(key_text).append(metadata).append(artifact.code).append(artifact.cubin);
  const std::string hash = hash_hex(std::string_view(bytes).substr(kHashedFrom));
  std::memcpy(bytes.data() + offsetof(Header, hash), hash.data(), hash.size());
  return bytes;
}

std::optional<Entry> decode_entry(std::string_view bytes) {
  const std::optional<Header> header = intact_header(bytes);
  if (!header || header->format != kEntryFormat) return std::nullopt;
  bytes.remove_prefix(sizeof(Header));
  const uint64_t texts = uint64_t{header->key_bytes} + header->metadata_bytes;
  if (bytes.size() < texts) return std::nullopt;
  const uint64_t codes = bytes.size() - texts;
  if (codes < header->cubin_bytes || codes - header->cubin_bytes != header->code_bytes) return std::nullopt;
  try {
    Entry entry;
    entry.key_text = bytes.substr(0, header->key_bytes);
    entry.artifact = from_json(Json::parse(bytes.substr(header->key_bytes, header->metadata_bytes)));
    entry.artifact.code = bytes.substr(texts, header->code_bytes);
    entry.artifact.cubin = bytes.substr(texts + header->code_bytes);
    return entry;
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception&) {  // hashed right, but not written by this gumtile
    return std::nullopt;
  }
}

bool is_of_other_format(std::string_view bytes) {
  const std::optional<Header> header = intact_header(bytes);
  return header && header->format != kEntryFormat;
}

}  // namespace gumtile::cache
