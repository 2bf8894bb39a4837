#include <doctest/doctest.h>

#include "runtime/io/stored_dtype.h"
#include "support/format.h"
#include "tensor_file_fixture.h"

using namespace gumtile;
using namespace gumtile::test;

TEST_CASE("files may have every format") {
  for (const Format& format : formats()) {
    const io::StoredDType& stored = io::stored_dtype(format.dtype);
    CHECK(stored.name == format.safetensors);
    CHECK(static_cast<int>(stored.bits) * format.block_elements == 8 * format.block_bytes);
  }
}

TEST_CASE("a faulty header is refused with what was expected and found") {
  const TemporaryFolder folder;
  const std::string path = folder / "bad.safetensors";
  struct Fault {
    std::string file;
    std::vector<std::string> message;
  };
  const std::string good = R"("dtype":"F32","shape":[2,2],"data_offsets":[0,16])";
  const auto tensor = [](const std::string& fields, size_t bytes = 16) {
    return safetensors("{\"w\":{" + fields + "}}", bytes);
  };
  const auto two = [](const std::string& a, const std::string& b, size_t bytes) {
    return safetensors(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":)" + a +
                           R"(},"b":{"dtype":"F32","shape":[2],"data_offsets":)" + b + "}}",
                       bytes);
  };
  const Fault faults[] = {
      // The header's length and text.
      {"", {"is 0 bytes long", "8 bytes"}},
      {"1234567", {"is 7 bytes long"}},
      {little_endian(100'000'001, 8) + "{}", {"100000001", "at most 100000000"}},
      {little_endian(~uint64_t{0}, 8) + "{}", {"18446744073709551615", "at most 100000000"}},
      {little_endian(3, 8) + "{}", {"header length is 3", "only 2", "truncated"}},
      {"version https://git-lfs.github.com/spec/v1\n", {"Git LFS", "git lfs pull"}},
      {safetensors("", 0), {"does not begin with '{'"}},
      {safetensors(" {}", 0), {"does not begin with '{'"}},
      {safetensors("[]", 0), {"does not begin with '{'"}},
      {safetensors("{", 0), {"not valid JSON"}},
      {safetensors("{} x", 0), {"not valid JSON"}},
      {safetensors(std::string("{}\0", 3), 0), {"null character", "byte 2"}},
      {safetensors(std::string("{}\0{\"w\":1}", 10), 0), {"null character"}},
      {safetensors(R"({"w":NaN})", 0), {"not valid JSON"}},
      {safetensors("{\"\xff\":1}", 0), {"not valid JSON"}},
      {safetensors(R"({"w":1e999})", 0), {"not valid JSON"}},
      {safetensors("{\"w\":" + std::string(5'000'000, '['), 0), {"nested deeper"}},
      {safetensors("{\"w\":" + std::string(50, '[') + std::string(50, ']') + "}", 0), {"nested deeper"}},
      // Duplicate keys at each level.
      {safetensors("{\"w\":{" + good + "},\"w\":{" + good + "}}", 16), {"'w' twice"}},
      {tensor(good + R"(,"shape":[4])"), {"'shape' twice"}},
      {safetensors(R"({"__metadata__":{"a":"1","a":"2"}})", 0), {"'a' twice"}},
      {tensor(good + R"(,"extra":{"a":1,"a":2})"), {"'a' twice"}},
      // Metadata.
      {safetensors(R"({"__metadata__":3})", 0), {"__metadata__", "number"}},
      {safetensors(R"({"__metadata__":{"step":null}})", 0), {"__metadata__", "null", "'step'"}},
      {safetensors(R"({"__metadata__":{"step":3}})", 0), {"__metadata__", "number", "'step'"}},
      // Fields that are missing or of the wrong type.
      {safetensors(R"({"w":[1]})", 0), {"tensor 'w'", "array", "object"}},
      {tensor(R"("shape":[2,2],"data_offsets":[0,16])"), {"tensor 'w'", "no field 'dtype'"}},
      {tensor(R"("dtype":"F32","data_offsets":[0,16])"), {"tensor 'w'", "no field 'shape'"}},
      {tensor(R"("dtype":"F32","shape":[2,2])"), {"tensor 'w'", "no field 'data_offsets'"}},
      {tensor(R"("dtype":4,"shape":[2,2],"data_offsets":[0,16])"), {"tensor 'w'", "'dtype'", "number"}},
      {tensor(R"("dtype":"F33","shape":[2,2],"data_offsets":[0,16])"), {"tensor 'w'", "'F33'"}},
      {tensor(R"("dtype":"F32","shape":4,"data_offsets":[0,16])"), {"tensor 'w'", "'shape'", "number"}},
      {tensor(R"("dtype":"F32","shape":[2,-2],"data_offsets":[0,16])"), {"tensor 'w'", "-2", "'shape'"}},
      {tensor(R"("dtype":"F32","shape":[2.5],"data_offsets":[0,16])"), {"tensor 'w'", "2.5", "'shape'"}},
      {tensor(R"("dtype":"F32","shape":["4"],"data_offsets":[0,16])"), {"tensor 'w'", "string", "'shape'"}},
      {tensor(R"("dtype":"F32","shape":[4],"data_offsets":16)"), {"tensor 'w'", "'data_offsets'", "number"}},
      {tensor(R"("dtype":"F32","shape":[4],"data_offsets":[0])"), {"tensor 'w'", "1 'data_offsets'"}},
      {tensor(R"("dtype":"F32","shape":[4],"data_offsets":[0,16,16])"), {"tensor 'w'", "3 'data_offsets'"}},
      {tensor(R"("dtype":"F32","shape":[4],"data_offsets":[-1,16])"), {"tensor 'w'", "-1", "'data_offsets'"}},
      {tensor(R"("dtype":"F32","shape":[4],"data_offsets":[0,9223372036854775808])"),
       {"tensor 'w'", "2^63-1"}},
      // Sizes and ranges.
      {tensor(R"("dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,16])"),
       {"tensor 'w'", "overflows"}},
      {tensor(R"("dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0])"),
       {"tensor 'w'", "overflows"}},
      {tensor(R"("dtype":"F32","shape":[2,3],"data_offsets":[0,16])"),
       {"tensor 'w'", "[2, 3]", "192 bits", "16 bytes"}},
      {tensor(R"("dtype":"F4","shape":[3],"data_offsets":[0,1])", 1), {"tensor 'w'", "12 bits", "1 bytes"}},
      {tensor(R"("dtype":"F32","shape":[4],"data_offsets":[16,0])"), {"tensor 'w'", "begin <= end"}},
      {tensor(good, 15), {"tensor 'w'", "ends at byte 16", "only 15", "truncated"}},
      {tensor(R"("dtype":"F32","shape":[4],"data_offsets":[1000,1016])"), {"tensor 'w'", "1016", "only 16"}},
      {tensor(good, 17), {"1 bytes follow"}},
      {safetensors("{}", 1), {"1 bytes follow"}},
      {two("[0,8]", "[4,12]", 12), {"tensor 'b'", "tensor 'a'", "overlap"}},
      {two("[0,8]", "[0,8]", 8), {"tensor 'b'", "tensor 'a'", "overlap"}},
      {two("[8,16]", "[20,28]", 28), {"tensor 'a'", "hole"}},
      {two("[0,8]", "[12,20]", 20), {"tensor 'b'", "hole"}},
  };
  for (const Fault& fault : faults) {
    CAPTURE(fault.file.substr(0, 120));
    write_file(path, fault.file);
    check_error(ErrorCode::bad_data, fault.message, [&] { open_safetensors(path, "w"); });
    check_error(ErrorCode::bad_data, {path}, [&] { open_safetensors(path); });
  }
}

TEST_CASE("what the format allows is accepted") {
  const TemporaryFolder folder;
  const std::string path = folder / "good.safetensors";
  write_file(path, safetensors(R"({"__metadata__":{"format":"pt"},)"
                               R"("z":{"dtype":"F32","shape":[0,7],"data_offsets":[8,8],"writer":{"v":[1]}},)"
                               R"("b":{"dtype":"F16","shape":[],"data_offsets":[8,10]},)"
                               R"("a":{"dtype":"BF16","shape":[2,2],"data_offsets":[0,8]}}   )",
                               10));
  CHECK(open_safetensors(path, "a").view().shape == std::vector<int64_t>{2, 2});
  CHECK(open_safetensors(path, "b").view().shape.empty());
  CHECK(open_safetensors(path, "b").view().size_bytes == 2);
  CHECK(open_safetensors(path, "z").view().size_bytes == 0);
  write_file(path, safetensors(
                       R"({"__metadata__":null,"w":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}})", 8));
  CHECK(open_safetensors(path, "w").view().size_bytes == 8);
}
