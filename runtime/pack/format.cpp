#include "runtime/pack/format.h"

#include <array>
#include <bit>
#include <cstddef>
#include <cstring>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "head/settings.h"
#include "runtime/cache/entry.h"
#include "runtime/io/fault.h"
#include "runtime/io/strict_json.h"
#include "support/hash.h"

namespace gumtile::pack {
namespace {

using Json = nlohmann::json;
using io::bad_file;

constexpr std::string_view kMagic = "gumpack\n";

/// The fixed-size start of a pack. Everything after `hash` and up to the index's end is hashed. Integers are
/// little-endian, as on all machines that have kernels.
struct Header {
  std::array<char, 8> magic{};
  std::array<char, 32> hash{};
  uint32_t format = 0;
  uint32_t reserved = 0;
  uint64_t index_bytes = 0;
  uint64_t file_bytes = 0;
};
static_assert(sizeof(Header) == 64);
constexpr size_t kHashedFrom = offsetof(Header, format);

/// Reads members of an object of the index, strictly.
class Members {
 public:
  Members(const Json& json, const std::string& file) : json_(json), file_(file) {
    if (!json.is_object()) wrong("an object", json);
  }

  const Json& get(const char* name) const {
    const auto found = json_.find(name);
    if (found == json_.end()) bad_file(file_, "the index lacks the member '{}'; make the pack anew", name);
    return *found;
  }
  std::string text(const char* name) const {
    const Json& json = get(name);
    if (!json.is_string()) wrong(name, json);
    return json.get<std::string>();
  }
  uint64_t number(const char* name, uint64_t most) const {
    const Json& json = get(name);
    if (!json.is_number_unsigned() || json.get<uint64_t>() > most) wrong(name, json);
    return json.get<uint64_t>();
  }
  int64_t size(const char* name) const { return static_cast<int64_t>(number(name, uint64_t{1} << 40)); }
  Features features(const char* name) const { return static_cast<Features>(number(name, ~Features{0})); }
  const Json& list(const char* name) const {
    const Json& json = get(name);
    if (!json.is_array()) wrong(name, json);
    return json;
  }
  DType dtype(const char* name) const {
    const std::optional<DType> parsed = parse_dtype(text(name));
    if (!parsed) wrong(name, get(name));
    return *parsed;
  }
  std::string hex(const char* name) const {
    std::string digits = text(name);
    if (digits.size() != 32) wrong(name, get(name));
    return digits;
  }

  [[noreturn]] void wrong(const char* what, const Json& found) const {
    const std::string text = found.dump(-1, ' ', false, Json::error_handler_t::replace);
    bad_file(file_, "in the index, {} is not what '{}' may be; make the pack anew", in_quotes(text), what);
  }

 private:
  const Json& json_;
  const std::string& file_;
};

Json to_json(const PackDescription& d) {
  Json token_dtypes = Json::array();
  for (DType dtype : d.token_dtypes) token_dtypes.push_back(name(dtype));
  return {{"vocab_size", d.vocab_size},
          {"hidden_size", d.hidden_size},
          {"first_token", d.first_token},
          {"hidden_dtype", name(d.hidden_dtype)},
          {"weights_dtype", name(d.weights_dtype)},
          {"token_dtypes", token_dtypes},
          {"noise", name(d.noise)},
          {"settings", d.settings},
          {"feature_sets", d.feature_sets},
          {"max_rows", d.max_rows},
          {"gumtile_version", d.gumtile_version},
          {"compiler", d.compiler}};
}

PackDescription parse_description(const Json& json, const std::string& file) {
  const Members members(json, file);
  PackDescription d;
  d.vocab_size = members.size("vocab_size");
  d.hidden_size = members.size("hidden_size");
  d.first_token = members.size("first_token");
  d.hidden_dtype = members.dtype("hidden_dtype");
  d.weights_dtype = members.dtype("weights_dtype");
  for (const Json& text : members.list("token_dtypes")) {
    const std::optional<DType> dtype = text.is_string() ? parse_dtype(text.get<std::string>()) : std::nullopt;
    if (!dtype) members.wrong("token_dtypes", text);
    d.token_dtypes.push_back(*dtype);
  }
  const std::optional<NoiseScheme> noise = parse_noise_scheme(members.text("noise"));
  if (!noise) members.wrong("noise", members.get("noise"));
  d.noise = *noise;
  if (json.contains("settings")) {  // packs of 0.1.0 have none
    d.settings = members.text("settings");
    if (!head::parse_settings(d.settings)) members.wrong("settings", members.get("settings"));
  }
  for (const Json& set : members.list("feature_sets")) {
    if (!set.is_number_unsigned()) members.wrong("feature_sets", set);
    d.feature_sets.push_back(set.get<Features>());
  }
  d.max_rows = members.size("max_rows");
  d.gumtile_version = members.text("gumtile_version");
  d.compiler = members.text("compiler");
  return d;
}

Json to_json(const IndexEntry& e) {
  Json buckets = Json::array();
  for (const PackEntry::Bucket& bucket : e.entry.buckets)
    buckets.push_back({{"max_rows", bucket.max_rows}, {"place", bucket.place}});
  return {{"key", e.key},
          {"hash", e.hash},
          {"offset", e.offset},
          {"bytes", e.entry.bytes},
          {"target", e.entry.target},
          {"program", e.entry.program},
          {"features", e.entry.features},
          {"token_dtype", name(e.entry.token_dtype)},
          {"schedule", e.entry.schedule},
          {"weights_alignment", e.entry.weights_alignment},
          {"format", cache::format_name(e.entry.format)},
          {"buckets", buckets}};
}

IndexEntry parse_entry(const Json& json, uint64_t available, const std::string& file) {
  const Members members(json, file);
  IndexEntry e;
  e.key = members.hex("key");
  e.hash = members.hex("hash");
  e.offset = members.number("offset", available);
  e.entry.bytes = members.number("bytes", available - e.offset);
  e.entry.target = members.text("target");
  e.entry.program = members.text("program");
  e.entry.features = members.features("features");
  e.entry.token_dtype = members.dtype("token_dtype");
  e.entry.schedule = members.text("schedule");
  e.entry.weights_alignment = static_cast<int>(members.number("weights_alignment", 16));
  if (!std::has_single_bit(static_cast<unsigned>(e.entry.weights_alignment)))
    members.wrong("weights_alignment", members.get("weights_alignment"));
  const std::optional<KernelArtifact::Format> format = cache::parse_format(members.text("format"));
  if (!format) members.wrong("format", members.get("format"));
  e.entry.format = *format;
  for (const Json& bucket : members.list("buckets")) {
    const Members b(bucket, file);
    e.entry.buckets.push_back({b.size("max_rows"), static_cast<int>(b.number("place", 1 << 20))});
  }
  return e;
}

}  // namespace

std::string index_text(const Index& index) {
  Json entries = Json::array();
  for (const IndexEntry& entry : index.entries) entries.push_back(to_json(entry));
  return Json{{"kernel_abi", kKernelAbi},
              {"description", to_json(index.description)},
              {"entries", entries},
              {"tuning_records", index.tuning_records}}
      .dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string file_start(std::string_view index, uint64_t entries_bytes) {
  Header header;
  std::memcpy(header.magic.data(), kMagic.data(), kMagic.size());
  header.format = kPackFormat;
  header.index_bytes = index.size();
  header.file_bytes = sizeof(header) + index.size() + entries_bytes;
  std::string bytes(reinterpret_cast<const char*>(&header), sizeof(header));
  bytes.append(index);
  const std::string hash = hash_hex(std::string_view(bytes).substr(kHashedFrom));
  std::memcpy(bytes.data() + offsetof(Header, hash), hash.data(), hash.size());
  return bytes;
}

OpenedFile read_file(std::string_view bytes, const std::string& file) {
  Header header;
  if (bytes.size() < sizeof(header) || !bytes.starts_with(kMagic))
    bad_file(file, "is no pack: its {} bytes begin with {}, expected {}; packs are made by 'gumtile compile'",
             bytes.size(), in_quotes(bytes.substr(0, kMagic.size())), in_quotes(kMagic));
  std::memcpy(&header, bytes.data(), sizeof(header));
  if (header.format != kPackFormat)
    bad_file(file, "is a pack of format {}, this gumtile reads format {}; {}", header.format, kPackFormat,
             header.format > kPackFormat ? "use a newer gumtile, or make the pack anew with this one"
                                         : "make the pack anew");
  if (header.file_bytes != bytes.size())
    bad_file(file, "is a pack of {} bytes, but the file has {}; it is cut short or damaged, copy it again",
             header.file_bytes, bytes.size());
  if (header.index_bytes > bytes.size() - sizeof(header))
    bad_file(file, "has an index of {} bytes in a file of {}; it is damaged, copy it again",
             header.index_bytes, bytes.size());
  OpenedFile opened;
  opened.hash = std::string(header.hash.data(), header.hash.size());
  const size_t start_bytes = sizeof(header) + header.index_bytes;
  const std::string found = hash_hex(bytes.substr(kHashedFrom, start_bytes - kHashedFrom));
  if (found != opened.hash)
    bad_file(file, "the hash of its index is {}, expected {}; it is damaged, copy it again", found,
             in_quotes(opened.hash));
  opened.entries = bytes.substr(start_bytes);

  const Json json =
      io::parse_strict_json(bytes.substr(sizeof(header), header.index_bytes), file, "the index");
  const Members members(json, file);
  const uint64_t kernel_abi = members.number("kernel_abi", 1 << 30);
  if (kernel_abi != kKernelAbi)
    bad_file(file, "its kernels are called as version {} has it, this gumtile calls them as version {}; {}",
             kernel_abi, kKernelAbi,
             kernel_abi > kKernelAbi ? "use a newer gumtile, or make the pack anew with this one"
                                     : "make the pack anew");
  opened.index.description = parse_description(members.get("description"), file);
  for (const Json& entry : members.list("entries"))
    opened.index.entries.push_back(parse_entry(entry, opened.entries.size(), file));
  for (const Json& record : members.list("tuning_records")) {
    if (!record.is_string()) members.wrong("tuning_records", record);
    opened.index.tuning_records.push_back(record.get<std::string>());
  }
  return opened;
}

}  // namespace gumtile::pack
