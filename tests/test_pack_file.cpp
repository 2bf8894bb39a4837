// The pack's file: damage of every kind, and hostile sizes.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <filesystem>
#include <functional>
#include <stdexcept>

#include "gumtile/error.h"
#include "runtime/pack/format.h"
#include "runtime/pack/host_variants.h"
#include "tests/pack_fixture.h"

namespace gumtile::test {
namespace {

Error error_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& error) {
    return error;
  }
  FAIL("no Error was thrown");
  throw std::logic_error("unreachable");
}

bool contains(const Error& error, const std::string& text) {
  return std::string(error.what()).find(text) != std::string::npos;
}

/// A pack of one tiny entry that no compiler made, and the entry's plan.
struct TinyPack {
  PackPlan plan;
  KernelArtifact artifact;
  std::string bytes;
};

TinyPack tiny_pack() {
  PackRequest request = host_request();
  request.targets = {Target::parse("sm_80")};
  request.feature_sets = {kNoFeatures};
  request.max_rows = 1;
  TinyPack tiny{plan_pack(request).front(), {}, {}};
  tiny.artifact.code = "not really PTX";
  tiny.artifact.launch = tiny.plan.plan.launch;
  tiny.artifact.target = "sm_80";
  tiny.artifact.schedule = tiny.plan.plan.schedule.str();
  PackWriter writer(request, "test");
  writer.add(tiny.plan, tiny.artifact);
  writer.add_tuning_record("{\"a\": 1}");
  tiny.bytes = writer.bytes();
  return tiny;
}

/// Opens a file of these bytes and takes the kernel: it is the right one, or an Error(bad_data) is thrown.
/// True for the right one.
bool takes(const TinyPack& tiny, const std::string& bytes) {
  const TestFile file(bytes);
  try {
    const auto pack = open_pack(file.path());
    const KernelArtifact artifact = pack->get(tiny.plan.plan);
    CHECK(artifact.code == tiny.artifact.code);
    CHECK(artifact.ready_made);
    return true;
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::bad_data);
    CHECK(contains(error, file.path().string()));
    return false;
  }
}

TEST_CASE("what goes into a pack comes out of it") {
  const TinyPack tiny = tiny_pack();
  CHECK(takes(tiny, tiny.bytes));
  const TestFile file(tiny.bytes);
  const auto pack = open_pack(file.path());
  CHECK(pack->description().vocab_size == kPackVocab);
  CHECK(pack->description().hidden_size == kPackHidden);
  CHECK(pack->description().max_rows == 1);
  CHECK(pack->tuning_records() == std::vector<std::string>{"{\"a\": 1}"});
  REQUIRE(pack->entries().size() == 1);
  CHECK(pack->entries()[0].target == "sm_80");
  CHECK(pack->identity({}).find(pack->hash()) != std::string::npos);
}

TEST_CASE("a flipped byte anywhere, a cut anywhere and bytes beyond the end are found") {
  const TinyPack tiny = tiny_pack();
  REQUIRE(tiny.bytes.size() < 20000);
  for (size_t i = 0; i < tiny.bytes.size(); ++i) {
    std::string bytes = tiny.bytes;
    bytes[i] = static_cast<char>(~bytes[i]);
    INFO("byte ", i);
    CHECK_FALSE(takes(tiny, bytes));
    bytes[i] = static_cast<char>(tiny.bytes[i] ^ 1);
    CHECK_FALSE(takes(tiny, bytes));
  }
  for (size_t size = 0; size < tiny.bytes.size(); ++size) {
    INFO("cut to ", size);
    CHECK_FALSE(takes(tiny, tiny.bytes.substr(0, size)));
  }
  CHECK_FALSE(takes(tiny, tiny.bytes + "x"));
}

TEST_CASE("an index with a right hash and wrong contents is refused") {
  const TinyPack tiny = tiny_pack();
  const pack::OpenedFile opened = pack::read_file(tiny.bytes, "test");
  const std::string index = pack::index_text(opened.index);
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string changed = index;
    const size_t at = changed.find(from);
    REQUIRE(at != std::string::npos);
    changed.replace(at, from.size(), to);
    return pack::file_start(changed, opened.entries.size()) + std::string(opened.entries);
  };
  CHECK(takes(tiny, with("\"offset\":0", "\"offset\":0")));
  for (const char* offset : {"1", "18446744073709551615", "-1", "1e30", "true", "null", "\"0\""})
    CHECK_FALSE(takes(tiny, with("\"offset\":0", std::string("\"offset\":") + offset)));
  for (const char* bytes : {"18446744073709551615", "9223372036854775808", "0", "-5", "{}"})
    CHECK_FALSE(takes(tiny, with("\"bytes\":", std::string("\"bytes\":") + bytes + ",\"was\":")));
  CHECK_FALSE(takes(tiny, with("\"format\":\"ptx\"", "\"format\":\"exe\"")));
  CHECK_FALSE(takes(tiny, with("\"format\":\"ptx\"", "\"format\":\"cubin\"")));
  CHECK_FALSE(takes(tiny, with("\"entries\":[{", "\"entries\":[7,{")));
  CHECK_FALSE(takes(tiny, with("\"max_rows\":1", "\"max_rows\":[]")));
  CHECK_FALSE(takes(tiny, with("\"vocab_size\"", "\"vocab\"")));
  for (const char* alignment : {"0", "3", "12", "32", "-1", "1048576"})
    CHECK_FALSE(takes(tiny, with("\"weights_alignment\":",
                                 std::string("\"weights_alignment\":") + alignment + ",\"was\":")));
  CHECK_FALSE(takes(tiny, pack::file_start("[]", 0)));
  CHECK_FALSE(takes(tiny, pack::file_start(std::string(100000, '['), 0)));
}

TEST_CASE("kernels of another ABI are refused when the pack is opened") {
  const TinyPack tiny = tiny_pack();
  const pack::OpenedFile opened = pack::read_file(tiny.bytes, "test");
  const std::string index = pack::index_text(opened.index);
  const std::string mine = fmt::format("\"kernel_abi\":{}", kKernelAbi);
  const size_t at = index.find(mine);
  REQUIRE(at != std::string::npos);
  const auto refused = [&](const std::string& instead) {
    std::string changed = index;
    changed.replace(at, mine.size(), instead);
    const TestFile file(pack::file_start(changed, opened.entries.size()) + std::string(opened.entries));
    const Error error = error_of([&] { open_pack(file.path()); });
    CHECK(error.code() == ErrorCode::bad_data);
    CHECK(contains(error, file.path().string()));
    return std::string(error.what());
  };
  CHECK(refused(fmt::format("\"kernel_abi\":{}", kKernelAbi + 1)).find("use a newer gumtile") !=
        std::string::npos);
  CHECK(refused("\"kernel_abi\":0").find("as version 0 has it") != std::string::npos);
  CHECK(refused("\"abi\":1").find("lacks the member 'kernel_abi'") != std::string::npos);
}

TEST_CASE("other files and other formats are named for what they are") {
  const TinyPack tiny = tiny_pack();
  const TestFile text(
      "#!/bin/sh\necho this is a rather long file that is not a pack of kernels at all, is it\n");
  CHECK(contains(error_of([&] { open_pack(text.path()); }), "is no pack"));
  std::string newer = tiny.bytes;
  newer[40] = 2;
  const TestFile file(newer);
  CHECK(contains(error_of([&] { open_pack(file.path()); }), "format 2"));
  CHECK(error_of([] { open_pack("/no/such/pack"); }).code() == ErrorCode::io);
  CHECK(error_of([] { open_pack("/tmp"); }).code() == ErrorCode::io);
}

TEST_CASE("the host's variants are those that the processor can run, the best first") {
  cpu::CpuInfo info;
  CHECK(pack::runnable_variants(info).empty());
  info.x86_level = 1;
  CHECK(pack::runnable_variants(info).empty());
  if (pack::host_variants().empty()) return;
  info.x86_level = 2;
  CHECK(pack::runnable_variants(info) == std::vector<std::string>{"x86-64-v2"});
  info.x86_level = 3;
  info.avx512bf16 = true;  // impossible, and must not count
  CHECK(pack::runnable_variants(info) == std::vector<std::string>{"x86-64-v3", "x86-64-v2"});
  info.x86_level = 4;
  CHECK(pack::runnable_variants(info).front() == "x86-64-v4+avx512bf16");
  info.avx512bf16 = false;
  CHECK(pack::runnable_variants(info) == std::vector<std::string>{"x86-64-v4", "x86-64-v3", "x86-64-v2"});
}

TEST_CASE("a pack's levels agree with the features of this processor") {
  const cpu::CpuInfo& info = cpu::cpu_info();
  CHECK((info.x86_level >= 3) == (info.avx2 && info.fma && info.f16c));
  CHECK((info.x86_level == 4) == (info.avx512f && info.avx512dq && info.avx512bw && info.avx512vl));
}

}  // namespace
}  // namespace gumtile::test
