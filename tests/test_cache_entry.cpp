// A cache with bytes that differ from what was written: always a miss, never a wrong artifact.
#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <nlohmann/json.hpp>
#include <string>

#include "runtime/cache/entry.h"
#include "support/hash.h"
#include "tests/cache_fixture.h"

namespace gumtile::test {
namespace {

constexpr size_t kHashAt = 8;
constexpr size_t kHashedFrom = 40;
constexpr size_t kMetadataBytesAt = 48;
constexpr size_t kTextsAt = 64;

/// The entry with its hash corrected, as a hostile writer would do.
std::string rehashed(std::string bytes) {
  const std::string hash = hash_hex(std::string_view(bytes).substr(kHashedFrom));
  std::memcpy(bytes.data() + kHashAt, hash.data(), hash.size());
  return bytes;
}

std::string with_format(std::string bytes, uint32_t format) {
  std::memcpy(bytes.data() + kHashedFrom, &format, sizeof(format));
  return rehashed(std::move(bytes));
}

/// The entry of "key" with its metadata changed.
template <typename Change>
std::string with_metadata(const Change& change) {
  const KernelArtifact artifact = some_artifact();
  const std::string bytes = cache::encode_entry("key", artifact);
  const std::string_view all(bytes);
  const std::string codes = artifact.code + artifact.cubin;
  const std::string_view metadata = all.substr(kTextsAt + 3, all.size() - kTextsAt - 3 - codes.size());
  nlohmann::json json = nlohmann::json::parse(metadata);
  change(json);
  const std::string changed = json.dump();
  std::string result = bytes.substr(0, kTextsAt + 3) + changed + codes;
  const auto size = static_cast<uint32_t>(changed.size());
  std::memcpy(result.data() + kMetadataBytesAt, &size, sizeof(size));
  return rehashed(std::move(result));
}

/// The result of a lookup if a file with these bytes is in the place of the key's entry.
struct Outcome {
  bool hit = false;
  bool rejected = false;
  bool removed = false;
};
Outcome outcome(const std::filesystem::path& folder, const std::string& key, const std::string& bytes) {
  const auto path = entry_path(folder, key);
  write_file(path, bytes);
  FreshCache fresh(folder);
  const bool hit = fresh.cache.get(key).has_value();
  return {hit, fresh.cache.counts().rejected == 1, !std::filesystem::exists(path)};
}

TEST_CASE("an entry gives back every field") {
  using std::string_view_literals::operator""sv;
  constexpr std::string_view kKey = "the key\0 with a zero"sv;
  const KernelArtifact artifact = some_artifact();
  const std::string bytes = cache::encode_entry(kKey, artifact);
  const auto entry = cache::decode_entry(bytes);
  REQUIRE(entry);
  CHECK(entry->key_text == kKey);
  CHECK(equal(entry->artifact, artifact));
  CHECK(entry->artifact.code == artifact.code);
  CHECK(entry->artifact.cubin == "beside");
  CHECK(entry->artifact.launch.columns == int64_t{1} << 40);
  CHECK(entry->artifact.launch.must_stage);
  CHECK(entry->artifact.launch.tensor_maps.at(1).box_rows == 14);
  CHECK(entry->artifact.launch.outputs.at(0).dtype == DType::i64);
  CHECK(cache::encode_entry(kKey, artifact) == bytes);
  CHECK(cache::decode_entry(cache::encode_entry("", KernelArtifact())));
}

TEST_CASE("an entry with any bit flipped is a miss") {
  const std::string bytes = cache::encode_entry("key", some_artifact());
  size_t taken = 0;
  for (size_t at = 0; at < bytes.size(); ++at)
    for (int bit = 0; bit < 8; ++bit) {
      std::string flipped = bytes;
      flipped[at] = static_cast<char>(flipped[at] ^ (1 << bit));
      taken += cache::decode_entry(flipped).has_value() || cache::is_of_other_format(flipped) ? 1 : 0;
    }
  CHECK(taken == 0);

  const std::string large = cache::encode_entry("key", some_artifact(20000));
  for (size_t at = 0; at < large.size(); ++at) {
    std::string flipped = large;
    flipped[at] = static_cast<char>(flipped[at] ^ (1 << (at % 8)));
    taken += cache::decode_entry(flipped).has_value() ? 1 : 0;
  }
  CHECK(taken == 0);
}

TEST_CASE("on disk, an entry with any byte flipped is a miss and goes away") {
  const TemporaryFolder folder;
  const std::string bytes = cache::encode_entry("key", some_artifact());
  size_t wrong = 0;
  for (size_t at = 0; at < bytes.size(); ++at) {
    std::string flipped = bytes;
    flipped[at] = static_cast<char>(flipped[at] ^ (1 << (at % 8)));
    const Outcome seen = outcome(folder.path(), "key", flipped);
    wrong += seen.hit || !seen.rejected || !seen.removed ? 1 : 0;
  }
  CHECK(wrong == 0);
  CHECK(outcome(folder.path(), "key", bytes).hit);
}

TEST_CASE("on disk, an entry cut to any length, or with bytes added, is a miss and goes away") {
  const TemporaryFolder folder;
  const std::string bytes = cache::encode_entry("key", some_artifact());
  size_t wrong = 0;
  for (size_t size = 0; size < bytes.size(); ++size) {
    const Outcome seen = outcome(folder.path(), "key", bytes.substr(0, size));
    wrong += seen.hit || !seen.rejected || !seen.removed ? 1 : 0;
  }
  for (const std::string& more : {std::string(1, '\0'), std::string("x"), std::string(4096, '\0'), bytes}) {
    const Outcome seen = outcome(folder.path(), "key", bytes + more);
    wrong += seen.hit || !seen.rejected || !seen.removed ? 1 : 0;
    CHECK_FALSE(cache::decode_entry(rehashed(bytes + more)));
  }
  CHECK(wrong == 0);
}

TEST_CASE("an entry of another key in the right place is a miss") {
  const TemporaryFolder folder;
  CHECK_FALSE(outcome(folder.path(), "key", cache::encode_entry("kez", some_artifact())).hit);
  CHECK_FALSE(outcome(folder.path(), "key", cache::encode_entry("", some_artifact())).hit);
  CHECK_FALSE(outcome(folder.path(), "", cache::encode_entry("key", some_artifact())).hit);
  CHECK(outcome(folder.path(), "", cache::encode_entry("", some_artifact())).hit);
}

TEST_CASE("an entry of another format is a miss and stays as it is") {
  const TemporaryFolder folder;
  for (const uint32_t format : {cache::kEntryFormat + 1, ~0U, 0U}) {
    const std::string bytes = with_format(cache::encode_entry("key", some_artifact()), format);
    const Outcome seen = outcome(folder.path(), "key", bytes);
    CHECK_FALSE(seen.hit);
    CHECK(seen.rejected);
    CHECK(read_file(entry_path(folder.path(), "key")) == bytes);
  }
  // A format that shares only the first fields.
  const std::string start = cache::encode_entry("key", some_artifact()).substr(0, kHashedFrom);
  const std::string strange = with_format(start + "...." + std::string(500, '?'), cache::kEntryFormat + 1);
  CHECK_FALSE(outcome(folder.path(), "key", strange).removed);
}

TEST_CASE("well-hashed nonsense is a miss") {
  using nlohmann::json;
  CHECK(cache::decode_entry(with_metadata([](json&) {})));
  const json numbers[] = {json(int64_t{1} << 31),
                          json(-(int64_t{1} << 31) - 1),
                          json(~uint64_t{0}),
                          json(1e300),
                          json(1.5),
                          json("1"),
                          json(true),
                          json(nullptr)};
  for (const json& number : numbers) {
    CAPTURE(number.dump());
    CHECK_FALSE(cache::decode_entry(with_metadata([&](json& j) { j["launch"]["threads"] = number; })));
    CHECK_FALSE(
        cache::decode_entry(with_metadata([&](json& j) { j["launch"]["inputs"][0]["axes"] = number; })));
    CHECK_FALSE(cache::decode_entry(
        with_metadata([&](json& j) { j["launch"]["tensor_maps"][1]["box_rows"] = number; })));
    CHECK_FALSE(cache::decode_entry(with_metadata([&](json& j) { j["ptx_version"] = number; })));
  }
  for (const char* field : {"format", "target", "schedule", "key", "ptx_version", "compile_ms", "launch"})
    CHECK_FALSE(cache::decode_entry(with_metadata([&](json& j) { j.erase(field); })));
  CHECK_FALSE(cache::decode_entry(with_metadata([](json& j) { j["format"] = "elf"; })));
  CHECK_FALSE(cache::decode_entry(with_metadata([](json& j) { j["launch"]["must_stage"] = 1; })));
  CHECK_FALSE(cache::decode_entry(with_metadata([](json& j) { j["launch"]["staged_dtype"] = "f7"; })));
  CHECK_FALSE(cache::decode_entry(with_metadata([](json& j) { j = json::array(); })));

  // Sizes that add up to the right number only if they wrap.
  std::string bytes = cache::encode_entry("key", some_artifact());
  for (const size_t at : {size_t{44}, kMetadataBytesAt, size_t{56}}) {
    std::string huge = bytes;
    std::memset(huge.data() + at, 0xff, 4);
    CHECK_FALSE(cache::decode_entry(rehashed(huge)));
  }
}

TEST_CASE("artifacts that JSON cannot hold") {
  const TemporaryFolder folder;
  KernelArtifact artifact = some_artifact();
  artifact.compile_ms = std::nan("");
  FreshCache(folder.path()).cache.put("key", artifact);
  const auto found = FreshCache(folder.path()).cache.get("key");
  REQUIRE(found);
  CHECK(found->compile_ms == 0);

  artifact.schedule = "\xff";
  FreshCache fresh(folder.path());
  fresh.cache.put("other", artifact);
  CHECK(fresh.cache.counts().failed_stores == 1);
  CHECK(fresh.warnings.size() == 1);
  CHECK(fresh.cache.get("other"));
  CHECK(files_in(folder.path()).size() == 1);
}

}  // namespace
}  // namespace gumtile::test
