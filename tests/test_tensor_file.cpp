#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <sstream>
#include <string>
#include <vector>

#include "gumtile/error.h"
#include "gumtile/tensor_file.h"

namespace fs = std::filesystem;
using namespace gumtile;

namespace {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (fs::temp_directory_path() / "gumtile-io-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = fs::canonical(name);
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  std::string operator/(const std::string& name) const { return (path_ / name).string(); }
  std::string path() const { return path_.string(); }

 private:
  fs::path path_;
};

void write_file(const std::string& path, const std::string& bytes) {
  fs::create_directories(fs::path(path).parent_path());
  std::ofstream out(path, std::ios::binary);
  out.write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  REQUIRE(out.good());
}

std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << in.rdbuf();
  return bytes.str();
}

std::string little_endian(uint64_t value, size_t bytes) {
  return std::string(reinterpret_cast<const char*>(&value), bytes);
}

std::string safetensors(const std::string& header, size_t data_bytes) {
  std::string data(data_bytes, '\0');
  std::iota(data.begin(), data.end(), '\0');
  return little_endian(header.size(), 8) + header + data;
}

std::string npy(const std::string& header, size_t data_bytes, int major = 1) {
  return "\x93NUMPY" + std::string{static_cast<char>(major), '\0'} +
         little_endian(header.size(), major == 1 ? 2 : 4) + header + std::string(data_bytes, '\1');
}

std::string npy_dict(const std::string& descr, const std::string& shape,
                     const std::string& fortran = "False") {
  return "{'descr': '" + descr + "', 'fortran_order': " + fortran + ", 'shape': " + shape + ", }   \n";
}

/// Checks that `call` throws `code` with every one of `parts` in the message.
template <typename Call>
void check_error(ErrorCode code, const std::vector<std::string>& parts, Call&& call) {
  try {
    call();
    FAIL_CHECK("expected an error");
  } catch (const Error& error) {
    const std::string message = error.what();
    CAPTURE(message);
    CHECK(error.code() == code);
    for (const std::string& part : parts) {
      CAPTURE(part);
      CHECK(message.find(part) != std::string::npos);
    }
  }
}

std::span<const std::byte> bytes_of(const std::vector<float>& values) {
  return std::as_bytes(std::span(values));
}

NamedTensor matrix(const std::string& name, const std::vector<float>& values) {
  return {name, DType::f32, {1, static_cast<int64_t>(values.size())}, bytes_of(values)};
}

void write_matrices(const std::string& path, const std::vector<std::string>& names) {
  static const std::vector<float> values = {1.0f, 2.0f};
  std::vector<NamedTensor> tensors;
  for (const std::string& name : names) tensors.push_back(matrix(name, values));
  write_safetensors(path, tensors);
}

float first_float(const TensorFile& file) {
  float value = 0;
  std::memcpy(&value, file.view().data, sizeof value);
  return value;
}

}  // namespace

TEST_CASE("a tensor written is the tensor read") {
  const TemporaryFolder folder;
  const std::string path = folder / "model.safetensors";
  const std::vector<float> head = {0.5f, -1.0f, 2.0f, 3.0f, 4.0f, 5.0f};
  const std::vector<uint16_t> bf16 = {0x3f80, 0x4000, 0x4040};
  const std::vector<uint8_t> mask = {1, 0, 1};
  const std::vector<int64_t> ids = {7};
  const std::vector<NamedTensor> tensors = {
      {"mask", DType::pred, {3}, std::as_bytes(std::span(mask))},
      {"half", DType::f16, {3, 1}, std::as_bytes(std::span(bf16))},
      {"brain", DType::bf16, {1, 3}, std::as_bytes(std::span(bf16))},
      {"lm_head.weight", DType::f32, {2, 3}, bytes_of(head)},
      {"ids", DType::i64, {}, std::as_bytes(std::span(ids))},
      {"none", DType::f32, {0, 3}, {}},
  };
  write_safetensors(path, tensors);

  TensorFile file = open_safetensors(path);
  CHECK(file.name() == "lm_head.weight");
  CHECK(file.path() == path);
  CHECK(file.view().dtype == DType::f32);
  CHECK(file.view().shape == std::vector<int64_t>{2, 3});
  CHECK(file.view().size_bytes == 24);
  CHECK(std::memcmp(file.view().data, head.data(), 24) == 0);

  for (const NamedTensor& tensor : tensors) {
    if (!is_float(tensor.dtype)) continue;
    const TensorFile one = open_tensor(path + ":" + tensor.name);
    CHECK(one.name() == tensor.name);
    CHECK(one.view().dtype == tensor.dtype);
    CHECK(one.view().shape == tensor.shape);
    REQUIRE(one.view().size_bytes == tensor.data.size());
    CHECK(std::equal(tensor.data.begin(), tensor.data.end(), one.view().data));
    CHECK(reinterpret_cast<uintptr_t>(one.view().data) % size_bytes(tensor.dtype) == 0);
  }

  // A file that is open survives being moved and being replaced on disk.
  TensorFile moved = std::move(file);
  write_matrices(path, {"lm_head.weight"});
  CHECK(std::memcmp(moved.view().data, head.data(), 24) == 0);
  CHECK(first_float(open_safetensors(path)) == 1.0f);
  CHECK(std::distance(fs::directory_iterator(folder.path()), {}) == 1);  // no temporary stays
}

TEST_CASE("a tensor that lies unaligned in the file is aligned in memory") {
  const TemporaryFolder folder;
  const std::string path = folder / "odd.safetensors";
  write_file(path, safetensors(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
                               R"("w":{"dtype":"F32","shape":[1,2],"data_offsets":[1,9]}})",
                               9));
  const TensorFile file = open_safetensors(path);
  CHECK(file.name() == "w");
  CHECK(reinterpret_cast<uintptr_t>(file.view().data) % 4 == 0);
  for (int i = 0; i < 8; ++i) CHECK(std::to_integer<int>(file.view().data[i]) == i + 1);
}

TEST_CASE("the head is found by name, then as a tied embedding, then as the only matrix") {
  const TemporaryFolder folder;
  const std::string path = folder / "model.safetensors";
  const auto head_of = [&](const std::vector<std::string>& names) {
    write_matrices(path, names);
    return open_safetensors(path).name();
  };
  CHECK(head_of({"a.weight", "lm_head.weight", "model.embed_tokens.weight"}) == "lm_head.weight");
  CHECK(head_of({"a.weight", "text.lm_head.weight", "text.embed_tokens.weight"}) == "text.lm_head.weight");
  CHECK(head_of({"a.weight", "model.embed_tokens.weight", "draft.embed_tokens.weight"}) ==
        "model.embed_tokens.weight");
  CHECK(head_of({"a.weight", "text.model.embed_tokens.weight"}) == "text.model.embed_tokens.weight");
  CHECK(head_of({"transformer.wpe.weight", "transformer.wte.weight"}) == "transformer.wte.weight");
  CHECK(head_of({"whatever"}) == "whatever");

  const auto open = [&] { open_safetensors(path); };
  write_matrices(path, {"encoder.embed_tokens.weight", "decoder.embed_tokens.weight"});
  check_error(ErrorCode::bad_data, {path, "'encoder.embed_tokens.weight'", "'decoder.embed_tokens.weight'"},
              open);
  write_matrices(path, {"first", "second"});
  check_error(ErrorCode::bad_data, {path, "'first'", "'second'", "PATH:TENSOR"}, open);
  write_safetensors(path, {});
  check_error(ErrorCode::bad_data, {path, "no lm_head.weight", "BF16"}, open);
}

TEST_CASE("nothing is guessed from one shard of several") {
  const TemporaryFolder folder;
  const std::string path = folder / "model-00001-of-00002.safetensors";
  write_matrices(path, {"model.embed_tokens.weight"});
  check_error(ErrorCode::bad_data, {path, "shard", "index.json"}, [&] { open_safetensors(path); });
  CHECK(open_safetensors(path, "model.embed_tokens.weight").name() == "model.embed_tokens.weight");
  const std::string whole = folder / "model-00001-of-00001.safetensors";
  write_matrices(whole, {"model.embed_tokens.weight"});
  CHECK(open_safetensors(whole).name() == "model.embed_tokens.weight");
}

TEST_CASE("an unknown tensor's error suggests near names") {
  const TemporaryFolder folder;
  const std::string path = folder / "model.safetensors";
  write_matrices(path, {"lm_head.weight", "model.norm.weight"});
  const auto open = [&](const char* name) { return [&path, name] { open_safetensors(path, name); }; };
  check_error(ErrorCode::bad_data, {path, "'lm_haed.weight'", "did you mean 'lm_head.weight'"},
              open("lm_haed.weight"));
  check_error(ErrorCode::bad_data, {"did you mean 'model.norm.weight'"}, open("norm"));
  check_error(ErrorCode::bad_data, {"'zzz'", "those it has: 'lm_head.weight', 'model.norm.weight'"},
              open("zzz"));
  check_error(ErrorCode::bad_data, {"'\\x1b[31m'"},
              open("\x1b[31m"));  // no escape sequence reaches the terminal
}

TEST_CASE("every other dtype is known, but cannot be opened") {
  const TemporaryFolder folder;
  const std::string path = folder / "model.safetensors";
  const std::pair<const char*, int> types[] = {{"BOOL", 8},    {"U8", 8},      {"I8", 8},   {"F8_E5M2", 8},
                                               {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"I16", 16}, {"U16", 16},
                                               {"I32", 32},    {"U32", 32},    {"F64", 64}, {"I64", 64},
                                               {"U64", 64},    {"C64", 64},    {"F4", 4},   {"F6_E2M3", 6}};
  for (const auto& [type, bits] : types) {
    const std::string end = std::to_string(8 * bits / 8);
    write_file(path, safetensors("{\"w\":{\"dtype\":\"" + std::string(type) +
                                     "\",\"shape\":[2,4],\"data_offsets\":[0," + end + "]}}",
                                 static_cast<size_t>(bits)));
    check_error(ErrorCode::bad_data, {path, "'w'", type, "BF16, F16 and F32"},
                [&] { open_safetensors(path, "w"); });
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
      {safetensors(R"({"__metadata__":null})", 0), {"__metadata__", "null"}},
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
}

TEST_CASE("a file that cannot be read is an I/O error") {
  const TemporaryFolder folder;
  for (const char* name : {"none.safetensors", "none.npy", "none.safetensors.index.json"})
    check_error(ErrorCode::io, {folder / name, "No such file"}, [&] { open_tensor(folder / name); });
  check_error(ErrorCode::io, {folder.path(), "neither model.safetensors.index.json nor model.safetensors"},
              [&] { open_safetensors(folder.path()); });
  fs::create_directory(folder / "folder.npy");
  check_error(ErrorCode::io, {"folder.npy", "folder"}, [&] { open_npy(folder / "folder.npy"); });
  REQUIRE(::mkfifo((folder / "pipe.npy").c_str(), 0600) == 0);
  check_error(ErrorCode::io, {"pipe.npy", "regular file"}, [&] { open_npy(folder / "pipe.npy"); });
  if (::geteuid() != 0) {
    write_file(folder / "secret.npy", "");
    fs::permissions(folder / "secret.npy", fs::perms::none);
    check_error(ErrorCode::io, {"secret.npy", "Permission denied"}, [&] { open_npy(folder / "secret.npy"); });
  }
}

TEST_CASE("a sharded model is opened by its index or folder") {
  const TemporaryFolder folder;
  const std::string index = folder / "model.safetensors.index.json";
  fs::create_directory(folder / "sub");
  write_matrices(folder / "model-00001-of-00002.safetensors", {"model.embed_tokens.weight", "unlisted"});
  write_matrices(folder / "sub/model-00002-of-00002.safetensors", {"lm_head.weight", "norm"});
  write_file(index, R"({"metadata":{"total_size":24},"weight_map":{
      "model.embed_tokens.weight":"model-00001-of-00002.safetensors",
      "lm_head.weight":"sub/model-00002-of-00002.safetensors",
      "norm":"sub/model-00002-of-00002.safetensors"}})");
  for (const std::string& path : {index, folder.path(), folder.path() + "/"}) {
    const TensorFile file = open_tensor(path);
    CHECK(file.name() == "lm_head.weight");
    CHECK(file.path() == folder / "sub/model-00002-of-00002.safetensors");
  }
  CHECK(open_tensor(index + ":norm").name() == "norm");
  CHECK(open_tensor(folder.path() + ":norm").name() == "norm");
  check_error(ErrorCode::bad_data, {index, "'nrm'", "did you mean 'norm'"},
              [&] { open_safetensors(index, "nrm"); });

  write_file(index, R"({"weight_map":{"model.embed_tokens.weight":"model-00001-of-00002.safetensors"}})");
  CHECK(open_tensor(folder.path()).name() == "model.embed_tokens.weight");
  write_file(index, R"({"weight_map":{"norm":"sub/model-00002-of-00002.safetensors"}})");
  CHECK(open_tensor(folder.path()).name() == "norm");
  write_file(index, R"({"weight_map":{"norm":"sub/model-00002-of-00002.safetensors",
                        "unlisted":"model-00001-of-00002.safetensors"}})");
  check_error(ErrorCode::bad_data, {index, "'norm'", "'unlisted'"}, [&] { open_safetensors(index); });

  fs::remove(index);
  write_matrices(folder / "model.safetensors", {"lm_head.weight"});
  CHECK(open_tensor(folder.path()).path() == folder / "model.safetensors");
}

TEST_CASE("a faulty index is refused") {
  const TemporaryFolder outside;
  write_matrices(outside / "secret.safetensors", {"w"});
  const TemporaryFolder folder;
  const std::string index = folder / "model.safetensors.index.json";
  write_matrices(folder / "shard.safetensors", {"w"});
  fs::create_symlink(outside / "secret.safetensors", folder / "link.safetensors");
  fs::create_symlink(outside.path(), folder / "folder");

  const auto check_index = [&](ErrorCode code, const std::string& json, std::vector<std::string> parts) {
    CAPTURE(json);
    write_file(index, json);
    check_error(code, parts, [&] { open_safetensors(index, "w"); });
    check_error(code, {"model.safetensors.index.json"}, [&] { open_safetensors(folder.path()); });
  };
  const auto entry = [](const std::string& file) { return R"({"weight_map":{"w":")" + file + "\"}}"; };
  check_index(ErrorCode::bad_data, "", {index, "not valid JSON"});
  check_index(ErrorCode::bad_data, "[]", {index, "array", "object"});
  check_index(ErrorCode::bad_data, "{}", {index, "weight_map"});
  check_index(ErrorCode::bad_data, R"({"weight_map":[]})", {index, "weight_map"});
  check_index(ErrorCode::bad_data, R"({"weight_map":{"w":1}})", {index, "number", "'w'"});
  check_index(ErrorCode::bad_data, R"({"weight_map":{"w":"a","w":"b"}})", {index, "'w' twice"});
  check_index(ErrorCode::bad_data, std::string(100'000, '['), {index, "nested deeper"});
  check_index(ErrorCode::bad_data, entry(""), {index, "''", "below the index's own folder"});
  check_index(ErrorCode::bad_data, entry("shard.safetensors\\u0000"),
              {index, "below the index's own folder"});
  check_index(ErrorCode::bad_data, entry(outside / "secret.safetensors"),
              {index, "secret.safetensors", "below"});
  check_index(ErrorCode::bad_data, entry("../secret.safetensors"),
              {index, "'../secret.safetensors'", "below"});
  check_index(ErrorCode::bad_data, entry("folder/../shard.safetensors"), {index, "below"});
  check_index(ErrorCode::bad_data, entry("link.safetensors"),
              {index, "link to", outside / "secret.safetensors"});
  check_index(ErrorCode::bad_data, entry("folder/secret.safetensors"), {index, "link to"});
  check_index(ErrorCode::io, entry("absent.safetensors"), {folder / "absent.safetensors", index});
  write_file(index, R"({"weight_map":{"v":"shard.safetensors"}})");
  check_error(ErrorCode::bad_data, {index, "tensor 'v'", "'shard.safetensors'", "does not have it"},
              [&] { open_safetensors(index, "v"); });
}

TEST_CASE("links within the model's folder and within the Hugging Face hub's cache are followed") {
  const TemporaryFolder folder;
  const std::string blobs = folder / "models--org--name/blobs",
                    snapshot = folder / "models--org--name/snapshots/abc";
  fs::create_directories(blobs);
  fs::create_directories(snapshot);
  write_matrices(blobs + "/0123", {"lm_head.weight"});
  write_file(blobs + "/4567", R"({"weight_map":{"lm_head.weight":"model-00001-of-00001.safetensors"}})");
  fs::create_symlink("../../blobs/0123", snapshot + "/model-00001-of-00001.safetensors");
  fs::create_symlink("../../blobs/4567", snapshot + "/model.safetensors.index.json");
  CHECK(open_tensor(snapshot).name() == "lm_head.weight");

  fs::create_directory(folder / "plain");
  write_matrices(folder / "plain/real.safetensors", {"w"});
  fs::create_symlink("real.safetensors", folder / "plain/link.safetensors");
  write_file(folder / "plain/x.safetensors.index.json", R"({"weight_map":{"w":"link.safetensors"}})");
  CHECK(open_tensor(folder / "plain/x.safetensors.index.json").name() == "w");
}

TEST_CASE("npy: every version and dtype that is supported") {
  const TemporaryFolder folder;
  const std::string path = folder / "hidden.npy";
  for (const int major : {1, 2, 3}) {
    write_file(path, npy(npy_dict("<f4", "(2, 3)"), 24, major));
    const TensorFile file = open_tensor(path);
    CHECK(file.name().empty());
    CHECK(file.view().dtype == DType::f32);
    CHECK(file.view().shape == std::vector<int64_t>{2, 3});
    CHECK(file.view().size_bytes == 24);
    CHECK(reinterpret_cast<uintptr_t>(file.view().data) % 4 == 0);
    CHECK(std::to_integer<int>(file.view().data[23]) == 1);
  }
  write_file(path, npy(npy_dict("<f2", "(5,)"), 10));
  CHECK(open_npy(path).view().dtype == DType::f16);
  CHECK(open_npy(path).view().shape == std::vector<int64_t>{1, 5});
  write_file(path, npy(R"({"shape":(2L,0L),"fortran_order":False,"descr":"<f4"})", 0));
  CHECK(open_npy(path).view().shape == std::vector<int64_t>{2, 0});
  write_file(path, npy(npy_dict("<f4", "()"), 4));
  check_error(ErrorCode::bad_data, {"the hidden states", "[]"},
              [&] { expect_matrix(open_npy(path).view(), "the hidden states"); });
  for (const char* descr : {"<u2", "|V2", "<V2"}) {
    write_file(path, npy(npy_dict(descr, "(1, 2)"), 4));
    CHECK(open_npy(path, {.npy_u16_is_bf16 = true}).view().dtype == DType::bf16);
    check_error(ErrorCode::bad_data, {path, descr, "bf16"}, [&] { open_npy(path); });
  }
  check_error(ErrorCode::usage, {path, "'w'"}, [&] { open_tensor(path + ":w"); });
}

TEST_CASE("npy: a faulty file is refused") {
  const TemporaryFolder folder;
  const std::string path = folder / "bad.npy";
  struct Fault {
    std::string file;
    std::vector<std::string> message;
  };
  const Fault faults[] = {
      {"", {"magic"}},
      {"\x93NUMPX", {"magic"}},
      {"\x93NUMPY\x01", {"truncated"}},
      {std::string("\x93NUMPY\x04\x00", 8), {"version 4.0"}},
      {std::string("\x93NUMPY\x01\x01", 8), {"version 1.1"}},
      {std::string("\x93NUMPY\x02\x00\x01\x00", 10), {"truncated"}},
      {std::string("\x93NUMPY\x01\x00\xff\x00{", 11), {"header length is 255", "only 1"}},
      {npy("", 0), {"'{' belongs"}},
      {npy("{", 0), {"string belongs"}},
      {npy("{'descr", 0), {"string belongs"}},
      {npy("{'descr': '<f4'}", 0), {"lacks a key"}},
      {npy("{'descr': '<f4' 'shape': ()}", 0), {"'}' belongs"}},
      {npy("{'descr': '<f4', 'descr': '<f4'}", 0), {"'descr' twice"}},
      {npy("{'order': 'C'}", 0), {"unknown key 'order'"}},
      {npy(npy_dict("<f4", "(1,)", "None"), 4), {"True or False"}},
      {npy(npy_dict("<f4", "(1,)", "True"), 4), {"Fortran", "ascontiguousarray"}},
      {npy(npy_dict("<f4", "(1)"), 4), {"no tuple"}},
      {npy(npy_dict("<f4", "[1, 2]"), 8), {"'(' belongs"}},
      {npy(npy_dict("<f4", "(-1, 2)"), 8), {"size belongs"}},
      {npy(npy_dict("<f4", "(1.5, 2)"), 8), {"')' belongs"}},
      {npy(npy_dict("<f4", "(9223372036854775808, 1)"), 8), {"2^63-1"}},
      {npy(npy_dict("<f4", "(4294967296, 4294967296)"), 8), {"overflows"}},
      {npy(npy_dict("<f4", "(1, 2)") + "junk", 8), {"goes on"}},
      {npy(npy_dict("<f4", "(2, 2)"), 15), {"f32", "[2, 2]", "16 bytes", "15 follow", "truncated"}},
      {npy(npy_dict("<f4", "(2, 2)"), 17), {"16 bytes", "17 follow", "one array"}},
      {npy(npy_dict(">f4", "(1, 2)"), 8), {"'>f4'", "astype"}},
      {npy(npy_dict("<f8", "(1, 2)"), 16), {"'<f8'", "astype"}},
      {npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,)}", 4), {"structured"}},
  };
  for (const Fault& fault : faults) {
    CAPTURE(fault.file);
    write_file(path, fault.file);
    check_error(ErrorCode::bad_data, fault.message, [&] { open_npy(path); });
    check_error(ErrorCode::bad_data, {path}, [&] { open_npy(path); });
  }
}

TEST_CASE("a path and a tensor's name are split after the suffix") {
  const auto check = [](const char* text, const char* path, std::optional<std::string> tensor) {
    CAPTURE(text);
    const PathAndTensor split = split_path_and_tensor(text);
    CHECK(split.path == path);
    CHECK(split.tensor == tensor);
  };
  check("m.safetensors", "m.safetensors", std::nullopt);
  check("m.safetensors:lm_head.weight", "m.safetensors", "lm_head.weight");
  check("a:b/m.safetensors", "a:b/m.safetensors", std::nullopt);
  check("a:b/m.safetensors:x:y", "a:b/m.safetensors", "x:y");
  check("m.safetensors.index.json:w", "m.safetensors.index.json", "w");
  check("h.npy", "h.npy", std::nullopt);
  check("h.npy:w", "h.npy", "w");
  check("models/llama:w", "models/llama", "w");
  check("models/llama:8b/", "models/llama:8b/", std::nullopt);
  check("models/llama", "models/llama", std::nullopt);
  check_error(ErrorCode::usage, {"PATH:TENSOR"}, [] { split_path_and_tensor(""); });
  check_error(ErrorCode::usage, {"no path"}, [] { split_path_and_tensor(":w"); });
  check_error(ErrorCode::usage, {"'m.safetensors:'", "no tensor name"},
              [] { split_path_and_tensor("m.safetensors:"); });

  const TemporaryFolder folder;
  fs::create_directory(folder / "llama:8b");
  CHECK(split_path_and_tensor(folder / "llama:8b").path == folder / "llama:8b");
  CHECK(split_path_and_tensor(folder / "llama:8b:w").tensor == "w");
}

TEST_CASE("expect_matrix names the tensor and its shape") {
  TensorView view{DType::f32, {2, 3, 4}, nullptr, 0};
  check_error(ErrorCode::bad_data, {"the weights", "[2, 3, 4]", "matrix"},
              [&] { expect_matrix(view, "the weights"); });
  view.shape = {2, 3};
  expect_matrix(view, "the weights");
}

TEST_CASE("the writer checks its arguments and its output") {
  const TemporaryFolder folder;
  const std::string path = folder / "out.safetensors";
  const std::vector<float> values = {1.0f, 2.0f};
  const auto write = [&](std::vector<NamedTensor> tensors) {
    return [&path, tensors] { write_safetensors(path, tensors); };
  };
  const auto bytes = bytes_of(values);
  check_error(ErrorCode::usage, {"'w'", "[3]", "12 bytes", "8"}, write({{"w", DType::f32, {3}, bytes}}));
  check_error(ErrorCode::usage, {"'w'", "[-2]"}, write({{"w", DType::f32, {-2}, bytes}}));
  check_error(ErrorCode::usage, {"'w'", "twice"}, write({matrix("w", values), matrix("w", values)}));
  check_error(ErrorCode::usage, {"__metadata__", "reserved"}, write({matrix("__metadata__", values)}));
  check_error(ErrorCode::usage, {"UTF-8"}, write({matrix("\xff", values)}));
  CHECK(fs::is_empty(folder.path()));
  check_error(ErrorCode::cannot_create, {folder / "absent/out.safetensors", "No such file"},
              [&] { write_matrices(folder / "absent/out.safetensors", {"w"}); });
  fs::create_directories(folder / "taken.safetensors/full");
  check_error(ErrorCode::cannot_create, {"taken.safetensors"},
              [&] { write_matrices(folder / "taken.safetensors", {"w"}); });
  CHECK(std::distance(fs::directory_iterator(folder.path()), {}) == 1);
}

namespace {

/// Opens `path`; whatever the bytes are, that is an Error or a tensor whose every byte can be read.
bool opens_or_fails_cleanly(const std::string& path) {
  try {
    const TensorFile file = open_tensor(path);
    unsigned sum = 0;
    for (size_t i = 0; i < file.view().size_bytes; ++i) sum += std::to_integer<unsigned>(file.view().data[i]);
    uint64_t expected = size_bytes(file.view().dtype);
    for (const int64_t size : file.view().shape) expected *= static_cast<uint64_t>(size);
    CHECK(expected == file.view().size_bytes);
    CHECK(sum < ~0u);
    return true;
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::bad_data);
    return false;
  }
}

void damage_every_byte(const std::string& path, size_t header_bytes) {
  const std::string good = read_file(path);
  REQUIRE(opens_or_fails_cleanly(path));
  for (size_t length = 0; length < good.size(); ++length) {
    CAPTURE(length);
    write_file(path, good.substr(0, length));
    CHECK_FALSE(opens_or_fails_cleanly(path));
  }
  for (size_t i = 0; i < header_bytes; ++i) {
    std::string damaged = good;
    for (const unsigned mask : {0x01, 0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0xff}) {
      CAPTURE(i);
      CAPTURE(mask);
      damaged[i] = static_cast<char>(static_cast<unsigned char>(good[i]) ^ mask);
      write_file(path, damaged);
      opens_or_fails_cleanly(path);
    }
    for (const char replacement : {'"', '{', '}', '[', ']', ',', ':', '0', '9', '-', '\'', '(', ')'}) {
      damaged[i] = replacement;
      write_file(path, damaged);
      opens_or_fails_cleanly(path);
    }
  }
}

}  // namespace

TEST_CASE("a damaged file never crashes the reader") {
  const TemporaryFolder folder;
  const std::string weights = folder / "weights.safetensors";
  const std::vector<float> values = {1.0f, 2.0f, 3.0f, 4.0f};
  write_safetensors(weights,
                    std::vector<NamedTensor>{{"lm_head.weight", DType::f32, {2, 2}, bytes_of(values)},
                                             {"b", DType::bf16, {8}, bytes_of(values)}});
  damage_every_byte(weights, fs::file_size(weights) - 32);
  const std::string hidden = folder / "hidden.npy";
  const std::string header = npy_dict("<f4", "(2, 2)");
  write_file(hidden, npy(header, 16));
  damage_every_byte(hidden, 10 + header.size());
}
