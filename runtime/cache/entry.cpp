#include "runtime/cache/entry.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "support/hash.h"

namespace gumtile::cache {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kMagic = "gumtile\n";

/// Fixed-size start of an entry: everything after `hash` is hashed. Integers are little-endian, as on all
/// machines that there are kernels for.
struct Header {
  std::array<char, 8> magic{};
  std::array<char, 32> hash{};
  uint32_t format = 0;
  uint32_t key_bytes = 0;
  uint32_t metadata_bytes = 0;
  uint32_t reserved = 0;
  uint64_t code_bytes = 0;
};
static_assert(sizeof(Header) == 64);
constexpr size_t kHashedFrom = offsetof(Header, format);

std::string_view name_of(KernelArtifact::Format format) {
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

KernelArtifact::Format parse_format(const std::string& text) {
  for (auto format :
       {KernelArtifact::Format::ptx, KernelArtifact::Format::cubin, KernelArtifact::Format::shared_object})
    if (name_of(format) == text) return format;
  throw std::invalid_argument("unknown format");
}

/// Names every field once, for writing and for reading: `field(name, member)`.
template <typename Spec, typename Field>
void for_each_number(Spec& spec, const Field& field) {
  field("threads", spec.threads);
  field("shared_bytes", spec.shared_bytes);
  field("rows_per_block", spec.rows_per_block);
  field("columns", spec.columns);
  field("contracted", spec.contracted);
  field("first_column", spec.first_column);
  field("columns_per_tile", spec.columns_per_tile);
  field("record_words", spec.record_words);
  field("host_state_words", spec.host_state_words);
  field("cluster_m", spec.cluster_m);
  field("cluster_n", spec.cluster_n);
  field("packed_words", spec.packed_words);
  field("contraction_left", spec.contraction_left);
  field("contraction_right", spec.contraction_right);
  field("must_stage", spec.must_stage);
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
    arguments.push_back({a.at("name"), dtype_of(a.at("dtype")), a.at("axes"), a.at("optional")});
  return arguments;
}

Json to_json(const KernelArtifact& artifact) {
  const LaunchSpec& spec = artifact.launch;
  Json launch = {{"stage", spec.stage},
                 {"sweep", spec.sweep},
                 {"finish", spec.finish},
                 {"staged_dtype", name(spec.staged_dtype)},
                 {"inputs", arguments_json(spec.inputs)},
                 {"outputs", arguments_json(spec.outputs)},
                 {"tensor_maps", Json::array()}};
  for_each_number(spec, [&](const char* field, auto value) { launch[field] = value; });
  for (const LaunchSpec::TensorMap& map : spec.tensor_maps)
    launch["tensor_maps"].push_back(
        {{"left", map.left}, {"box_rows", map.box_rows}, {"l2_promotion", map.l2_promotion}});
  return {{"format", name_of(artifact.format)},
          {"target", artifact.target},
          {"schedule", artifact.schedule},
          {"key", artifact.key},
          {"ptx_version", artifact.ptx_version},
          {"compile_ms", artifact.compile_ms},
          {"launch", launch}};
}

KernelArtifact from_json(const Json& json) {
  KernelArtifact artifact;
  artifact.format = parse_format(json.at("format"));
  artifact.target = json.at("target");
  artifact.schedule = json.at("schedule");
  artifact.key = json.at("key");
  artifact.ptx_version = json.at("ptx_version");
  artifact.compile_ms = json.at("compile_ms");
  const Json& launch = json.at("launch");
  LaunchSpec& spec = artifact.launch;
  spec.stage = launch.at("stage");
  spec.sweep = launch.at("sweep");
  spec.finish = launch.at("finish");
  spec.staged_dtype = dtype_of(launch.at("staged_dtype"));
  spec.inputs = parse_arguments(launch.at("inputs"));
  spec.outputs = parse_arguments(launch.at("outputs"));
  for_each_number(spec, [&](const char* field, auto& value) { launch.at(field).get_to(value); });
  for (const Json& map : launch.at("tensor_maps"))
    spec.tensor_maps.push_back({map.at("left"), map.at("box_rows"), map.at("l2_promotion")});
  return artifact;
}

}  // namespace

std::string encode_entry(std::string_view key_text, const KernelArtifact& artifact) {
  const std::string metadata = to_json(artifact).dump();
  Header header;
  std::memcpy(header.magic.data(), kMagic.data(), kMagic.size());
  header.format = kEntryFormat;
  header.key_bytes = static_cast<uint32_t>(key_text.size());
  header.metadata_bytes = static_cast<uint32_t>(metadata.size());
  header.code_bytes = artifact.code.size();
  std::string bytes(reinterpret_cast<const char*>(&header), sizeof(header));
  bytes.append(key_text).append(metadata).append(artifact.code);
  const std::string hash = hash_hex(std::string_view(bytes).substr(kHashedFrom));
  std::memcpy(bytes.data() + offsetof(Header, hash), hash.data(), hash.size());
  return bytes;
}

std::optional<Entry> decode_entry(std::string_view bytes) {
  Header header;
  if (bytes.size() < sizeof(header)) return std::nullopt;
  std::memcpy(&header, bytes.data(), sizeof(header));
  if (std::string_view(header.magic.data(), header.magic.size()) != kMagic || header.format != kEntryFormat)
    return std::nullopt;
  const uint64_t texts = uint64_t{header.key_bytes} + header.metadata_bytes;
  if (bytes.size() - sizeof(header) < texts || bytes.size() - sizeof(header) - texts != header.code_bytes)
    return std::nullopt;
  if (hash_hex(bytes.substr(kHashedFrom)) != std::string_view(header.hash.data(), header.hash.size()))
    return std::nullopt;
  bytes.remove_prefix(sizeof(header));
  try {
    Entry entry;
    entry.key_text = bytes.substr(0, header.key_bytes);
    entry.artifact = from_json(Json::parse(bytes.substr(header.key_bytes, header.metadata_bytes)));
    entry.artifact.code = bytes.substr(texts);
    return entry;
  } catch (const std::exception&) {  // hashed right, but written by another gumtile
    return std::nullopt;
  }
}

}  // namespace gumtile::cache
